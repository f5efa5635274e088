// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <iostream>
#include <memory>
#include <utility>

#include "harness/base/error.h"
#include "harness/base/limits.h"
#include "harness/base/names.h"
#include "harness/base/seed.h"
#include "harness/base/text.h"
#include "harness/cli/commands/commands.h"
#include "harness/cli/conversation.h"
#include "harness/cli/models.h"
#include "harness/cli/output.h"
#include "harness/cli/token_ids.h"
#include "models/checkpoint/checkpoint.h"
#include "models/engine/generate.h"
#include "models/tokenizer/text_stream.h"
#include "models/tokenizer/tokenizer.h"
#include "policies/schedule.h"

namespace lethe::cli {

namespace {

/// One prompt on its way through the model.
struct Sample {
  std::unique_ptr<models::TextStream> stream;
  std::string text;
  models::GenerateResult result;
};

std::vector<std::int64_t> read_prompt(const Options& options, const std::filesystem::path& model,
                                      const models::Tokenizer& tokenizer) {
  if (options.has("prompt") + options.has("tokens") + options.has("chat") != 1) {
    throw Error(ErrorKind::kUsage, "expected one of --prompt FILE, --tokens FILE and --chat FILE");
  }
  if (options.has("chat")) {
    // The template says itself where a BOS stands.
    return tokenizer.encode(render_conversation(model, options.text("chat"), true), true);
  }
  const std::string name = options.text(options.has("prompt") ? "prompt" : "tokens");
  const std::string where = name == "-" ? "standard input" : name;
  const std::string content = read_input(name);
  if (options.has("tokens")) return parse_token_ids(content, where, tokenizer.vocab_size());
  if (content.empty()) {
    throw Error(ErrorKind::kData, where + ": the prompt is empty; expected at least one token");
  }
  check_utf8(content, where);
  auto tokens = tokenizer.encode(content, options.has("special"));
  if (tokenizer.adds_bos() && tokenizer.bos_id()) {
    tokens.insert(tokens.begin(), *tokenizer.bos_id());
  }
  return tokens;
}

models::Sampling read_sampling(const Options& options) {
  models::Sampling sampling;
  sampling.temperature = options.number("temperature", 0);
  if (options.has("top-k")) sampling.top_k = options.integer("top-k", 0, 1);
  if (options.has("top-p")) sampling.top_p = options.number("top-p", 1);
  if (options.has("min-p")) sampling.min_p = options.number("min-p", 0);
  models::check_sampling(sampling);
  if (sampling.greedy() && (sampling.top_k || sampling.top_p || sampling.min_p)) {
    throw Error(ErrorKind::kUsage,
                "--top-k, --top-p and --min-p filter what is drawn; give --temperature too");
  }
  return sampling;
}

json::object as_json(const Sample& sample, std::size_t prompt_tokens) {
  const auto& result = sample.result;
  json::object out{{"text", models::printable_utf8(sample.text)},
                   {"ids", json::array(result.ids.begin(), result.ids.end())},
                   {"stop", models::to_string(result.reason)},
                   {"prompt_tokens", prompt_tokens},
                   {"new_tokens", result.ids.size()},
                   {"kv_bytes", result.kv_bytes},
                   {"peak_kv_bytes", result.peak_kv_bytes},
                   {"time_to_first_token_s", result.prefill_seconds},
                   {"decode_s", result.decode_seconds}};
  std::int64_t evicted = 0, kept = 0;
  for (const auto& layer : result.layers) {
    evicted += layer.evicted;
    kept = std::max(kept, layer.kept_max);
  }
  out["tokens_evicted"] = evicted;
  out["kept_max"] = kept;
  return out;
}

void print_figures(const std::vector<Sample>& samples, const models::GenerateTotals& totals,
                   std::size_t prompt_tokens, std::int64_t trained_length) {
  std::int64_t bytes = 0;
  std::size_t longest = 0;
  double first = 0;
  for (const auto& sample : samples) {
    bytes = std::max(bytes, sample.result.peak_kv_bytes);
    first = std::max(first, sample.result.prefill_seconds);
    longest = std::max(longest, prompt_tokens + sample.result.ids.size());
  }
  std::cerr << prompt_tokens << " tokens of prompt, first token after "
            << (first < 1 ? fixed(1e3 * first, 0) + " ms" : human_duration(first)) << "; "
            << totals.new_tokens << " new tokens";
  // The first token of every sample comes from its prompt, not from a step.
  const auto stepped = totals.new_tokens - static_cast<std::int64_t>(samples.size());
  if (totals.steps > 0 && stepped > 0) {
    std::cerr << ", " << fixed(static_cast<double>(stepped) / totals.decode_seconds, 1) << " tok/s";
  }
  std::cerr << "; keys and values of a sample: at most " << human_bytes(static_cast<double>(bytes))
            << "\n";
  if (std::cmp_greater(longest, trained_length)) {
    std::cerr << "the text is " << longest << " tokens long, the model was trained for "
              << trained_length << "\n";
  }
}

}  // namespace

int run_generate(const Options& options) {
  const auto policy = policies::known_policies().resolve(options.text("policy", "full"));
  const auto dtype = models::parse_dtype(options.text("dtype", "float32"));
  const std::string device = options.text("device", "cpu");
  models::require_device(device);
  const auto model = resolve_model(options.text("model"));
  const auto checkpoint = models::open_checkpoint(model.path);
  const auto tokenizer = models::open_tokenizer(model.path);
  check_vocabulary(*checkpoint, *tokenizer);
  models::GenerateRequest request;
  request.prompt = read_prompt(options, model.path, *tokenizer);
  request.policy = &policy;
  if (options.has("budget")) request.budget = options.integer("budget", 0, 1);
  request.schedule = policies::Schedule::parse(options.text("schedule", "exact"));
  request.schedule.prompt = static_cast<std::int64_t>(request.prompt.size());
  request.sampling = read_sampling(options);
  request.max_new = options.integer("max-new", 256, 1, 1 << 20);
  if (!options.has("ignore-end")) {
    request.end_ids = checkpoint->generation_defaults().eos_token_ids;
    if (tokenizer->eos_id()) request.end_ids.push_back(*tokenizer->eos_id());
  }
  const auto seed = static_cast<std::uint64_t>(options.integer("seed", 0, 0));
  request.policy_seed = seed;

  const std::int64_t count = options.integer("samples", 1, 1, 4096);
  const bool json_output = options.has("json");
  std::vector<Sample> samples(static_cast<std::size_t>(count));
  std::vector<models::GenerateRequest> requests(samples.size(), request);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    samples[i].stream = std::make_unique<models::TextStream>(*tokenizer, options.all("stop"),
                                                             /*skip_special=*/true);
    // Of samples of two seeds, no two are drawn alike.
    requests[i].sampling_seed = derive_seed(seed, "sample " + std::to_string(i));
    requests[i].accept = [&, i](std::int64_t id) {
      const std::string piece = samples[i].stream->push(id);
      samples[i].text += piece;
      if (count == 1 && !json_output) std::cout << piece << std::flush;
      return !samples[i].stream->stopped() && !!std::cout;
    };
  }

  if (options.has("threads")) {
    models::set_compute_threads(static_cast<int>(options.integer("threads", 1, 1, 1024)));
  }
  models::GenerateOptions generate;
  generate.drawable_ids = tokenizer->vocab_size();
  generate.kv_type = models::parse_kv_type(options.text("kv-dtype", "same"));
  generate.lanes = options.integer("lanes", std::min<std::int64_t>(count, generate.lanes), 1, 1024);
  const std::int64_t length = request.schedule.prompt + request.max_new;
  generate.rope_angles =
      float32_angles_hold(length) ? models::RopeAngles::kHf32 : models::RopeAngles::kF64;
  models::PrefixCache prefixes(std::int64_t{1} << 30);
  if (count > 1) generate.prefixes = &prefixes;
  const auto loaded = models::load_model(*checkpoint, dtype, {}, {.device = device});
  const auto finish = [&](std::size_t index, models::GenerateResult result) {
    Sample& sample = samples[index];
    const std::string rest = sample.stream->finish();
    sample.text += rest;
    sample.result = std::move(result);
    if (count == 1 && !json_output) std::cout << rest << "\n";
  };
  const auto totals = loaded->generate(requests, generate, finish);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    if (json_output) {
      print_json(as_json(samples[i], request.prompt.size()));
    } else if (count > 1) {
      std::cout << "--- sample " << i << "\n" << samples[i].text << "\n";
    }
  }
  if (!json_output) {
    print_figures(samples, totals, request.prompt.size(), checkpoint->config().trained_length);
  }
  return kExitOk;
}

}  // namespace lethe::cli
