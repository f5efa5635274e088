// SPDX-License-Identifier: Apache-2.0
#include <fstream>
#include <functional>
#include <iostream>
#include <limits>

#include "harness/base/error.h"
#include "harness/base/limits.h"
#include "harness/base/names.h"
#include "harness/base/text.h"
#include "harness/base/version.h"
#include "harness/cli/commands/commands.h"
#include "harness/cli/models.h"
#include "harness/cli/output.h"
#include "harness/cli/token_ids.h"
#include "harness/cli/trace_writer.h"
#include "models/checkpoint/checkpoint.h"
#include "models/engine/evaluate.h"
#include "models/tokenizer/tokenizer.h"
#include "policies/schedule.h"

namespace lethe::cli {

namespace {

struct Input {
  std::vector<std::int64_t> tokens;
  bool bos_added = false;
};

Input read_tokens(const Options& options, const std::filesystem::path& path,
                  const models::Checkpoint& checkpoint) {
  if (options.has("text") == options.has("tokens")) {
    throw Error(ErrorKind::kUsage, "expected either --text FILE or --tokens FILE");
  }
  const std::string name = options.text(options.has("text") ? "text" : "tokens");
  const std::string where = name == "-" ? "standard input" : name;
  Input input;
  const std::string content = read_input(name);
  if (options.has("tokens")) {
    input.tokens = parse_token_ids(content, where, checkpoint.config().vocab_size);
  } else {
    if (content.empty()) {
      throw Error(ErrorKind::kData, where + ": the text is empty; expected at least two tokens");
    }
    check_utf8(content, where);
    const auto tokenizer = models::open_tokenizer(path);
    check_vocabulary(checkpoint, *tokenizer);
    input.tokens = tokenizer->encode(content, false);
    input.bos_added = tokenizer->adds_bos() && tokenizer->bos_id().has_value();
    if (input.bos_added) input.tokens.insert(input.tokens.begin(), *tokenizer->bos_id());
  }
  const auto limit = options.integer("limit", std::numeric_limits<std::int64_t>::max(), 2);
  if (limit < static_cast<std::int64_t>(input.tokens.size())) {
    input.tokens.resize(static_cast<std::size_t>(limit));
  }
  if (input.tokens.size() < 2) {
    throw Error(ErrorKind::kData, where +
                                      ": one token; expected at least two, so that one can be "
                                      "predicted from the other");
  }
  return input;
}

models::EvaluateOptions evaluate_options(const Options& options, std::size_t tokens) {
  models::EvaluateOptions evaluate;
  if (options.has("budget")) evaluate.budget = options.integer("budget", 0, 1);
  evaluate.schedule = policies::Schedule::parse(options.text("schedule", "exact"));
  evaluate.schedule.prompt = options.integer("prompt", 0, 0);
  evaluate.positions = policies::parse_positions(options.text("positions", "original"));
  const bool steps = evaluate.positions != policies::Positions::kOriginal;
  evaluate.path = options.choice("path", steps ? "step" : "scan", {"scan", "step"}) == "step"
                      ? models::Path::kStep
                      : models::Path::kScan;
  evaluate.rope_angles = float32_angles_hold(static_cast<std::int64_t>(tokens))
                             ? models::RopeAngles::kHf32
                             : models::RopeAngles::kF64;
  evaluate.seed = static_cast<std::uint64_t>(options.integer("seed", 0, 0));
  return evaluate;
}

json::object header(const Options& options, const ResolvedModel& model,
                    const models::ModelConfig& config, const policies::PolicyPlan& policy,
                    const models::EvaluateOptions& evaluate, const Input& input) {
  return {{"type", "header"},
          {"model", model.name},
          {"weights_sha256", model.weights_sha256},
          {"policy", policy.text},
          {"scope", policy.traits.scope == policies::Scope::kLayer ? "layer" : "kv-head"},
          {"budget", evaluate.budget ? json::value(*evaluate.budget) : json::value(nullptr)},
          {"schedule", evaluate.schedule.text()},
          {"prompt", evaluate.schedule.prompt},
          {"positions", policies::to_string(evaluate.positions)},
          {"dtype", options.text("dtype", "float32")},
          {"device", options.text("device", "cpu")},
          {"path", evaluate.path == models::Path::kStep ? "step" : "scan"},
          {"rope_angles", evaluate.rope_angles == models::RopeAngles::kF64 ? "f64" : "hf32"},
          {"seed", evaluate.seed},
          {"layers", config.n_layers},
          {"kv_heads", config.n_kv_heads},
          {"tokens", input.tokens.size()},
          {"bos_added", input.bos_added},
          {"version", version().version},
          {"engine_version", kEngineVersion}};
}

/// Everything is checked and loaded before `open` is called: a refused trace leaves an older file
/// as it was.
void trace_to(const std::function<std::ostream&()>& open, const Options& options) {
  const auto policy = policies::known_policies().resolve(options.text("policy", "full"));
  const auto dtype = models::parse_dtype(options.text("dtype", "float32"));
  const std::string device = options.text("device", "cpu");
  models::require_device(device);
  const auto model = resolve_model(options.text("model"));
  const auto checkpoint = models::open_checkpoint(model.path);
  const auto input = read_tokens(options, model.path, *checkpoint);
  auto evaluate = evaluate_options(options, input.tokens.size());
  policies::check_setting(policy, evaluate.budget, evaluate.schedule,
                          static_cast<std::int64_t>(input.tokens.size()));
  policies::check_positions(policy, evaluate.positions);
  if (options.has("threads")) {
    models::set_compute_threads(static_cast<int>(options.integer("threads", 1, 1, 1024)));
  }
  const auto loaded = models::load_model(*checkpoint, dtype, {}, {.device = device});
  loaded->check(input.tokens, policy, evaluate);
  std::ostream& out = open();
  TraceWriter writer(out, input.tokens);
  evaluate.observer = &writer;
  evaluate.should_stop = [&] { return !out; };  // the reader is gone, or the disk is full
  writer.write(header(options, model, checkpoint->config(), policy, evaluate, input));
  writer.finish(loaded->evaluate(input.tokens, policy, evaluate).seconds);
}

}  // namespace

int run_trace(const Options& options) {
  const std::string name = options.text("out", "-");
  std::ofstream file;
  const auto open = [&]() -> std::ostream& {
    if (name == "-") return std::cout;
    file.open(name);
    if (!file) throw Error(ErrorKind::kUsage, "--out: cannot write " + name);
    return file;
  };
  try {
    trace_to(open, options);
  } catch (const Error& error) {
    // Stopped because the lines go nowhere: how standard output ended is told by main, a file
    // below.
    const bool written = name == "-" ? !!std::cout : !!file;
    if (error.kind() != ErrorKind::kInterrupted || written) throw;
  }
  if (name != "-" && !file.flush()) {
    throw Error(ErrorKind::kStore, "cannot write all of " + name + ": disk full?");
  }
  return kExitOk;
}

}  // namespace lethe::cli
