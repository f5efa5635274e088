// SPDX-License-Identifier: Apache-2.0
#include "tasks/continuation.h"

#include <utility>

#include "harness/base/error.h"
#include "models/engine/generate.h"
#include "tasks/generated_outcome.h"
#include "tasks/run_one.h"

namespace lethe::tasks {

namespace {

constexpr std::size_t kWarmUpPrompt = 16;
constexpr std::int64_t kWarmUpTokens = 4;

WindowOptions with_prompt(const ContinuationOptions& options, std::int64_t length) {
  if (options.new_tokens >= length) {
    throw Error(ErrorKind::kConfig,
                "task continuation: new: " + std::to_string(options.new_tokens) +
                    " tokens leave no prompt in a window of " + std::to_string(length));
  }
  WindowOptions window = options.text.window;
  window.prompt = length - options.new_tokens;
  return window;
}

}  // namespace

ContinuationOptions ContinuationOptions::parse(const json::object& object,
                                               const std::filesystem::path& root) {
  const json::value holder(object);
  ObjectReader reader(holder, "task continuation", ErrorKind::kConfig);
  ContinuationOptions options;
  if (reader.find("new")) {
    options.new_tokens = at_least(reader.integer("new"), 1, reader.where("new"));
  }
  if (reader.find("lanes")) {
    options.lanes = at_least(reader.integer("lanes"), 1, reader.where("lanes"));
  }
  json::object rest = object;
  for (const char* own : {"new", "lanes"}) rest.erase(own);
  if (rest.contains("prompt")) {
    throw Error(ErrorKind::kConfig,
                reader.where("prompt") + ": the prompt is the length less \"new\"; leave it out");
  }
  options.text = Pg19Options::parse(rest, root);
  return options;
}

ContinuationTask::ContinuationTask(const ContinuationOptions& options, std::int64_t length)
    : ContinuationTask("continuation", options, length) {}

ContinuationTask::ContinuationTask(std::string name, const ContinuationOptions& options,
                                   std::int64_t length)
    : WindowTask(std::move(name), with_prompt(options, length), length, book_streams(options.text)),
      new_tokens_(options.new_tokens),
      lanes_(options.lanes) {}

std::int64_t ContinuationTask::lanes_of(const models::Model&, const RunSettings&,
                                        std::size_t) const {
  return lanes_;
}

std::string ContinuationTask::output_of(std::string text, std::int64_t) const {
  return text;
}

json::object ContinuationTask::identity() const {
  json::object out = window_identity();
  out.erase("prompt");  // the length less what is new
  out["version"] = kVersion;
  out["books"] = stream_hashes();
  out["new"] = new_tokens_;
  out["lanes"] = lanes_;
  return out;
}

SampleOutcome ContinuationTask::run(const std::string& sample_id,
                                    const models::Tokenizer& tokenizer, const models::Model& model,
                                    const RunSettings& settings) const {
  return run_one(*this, sample_id, tokenizer, model, settings);
}

void ContinuationTask::run_all(std::span<const std::string> sample_ids,
                               const models::Tokenizer& tokenizer, const models::Model& model,
                               const RunSettings& settings, const SampleHooks& hooks) const {
  std::vector<models::GenerateRequest> requests(sample_ids.size());
  for (std::size_t i = 0; i < requests.size(); ++i) {
    auto tokens = window(sample_ids[i], tokenizer);
    tokens.resize(static_cast<std::size_t>(prompt_tokens()));
    requests[i].prompt = std::move(tokens);
    requests[i].policy = &settings.policy;
    requests[i].budget = settings.budget;
    requests[i].schedule = settings.evaluate.schedule;
    requests[i].policy_seed = settings.seed;
    requests[i].max_new = new_tokens_;
  }
  models::GenerateOptions options;
  options.lanes = lanes_of(model, settings, sample_ids.size());
  options.drawable_ids = tokenizer.vocab_size();
  options.kv_type = settings.evaluate.kv_type;
  options.rope_angles = settings.evaluate.rope_angles;
  options.prefixes = settings.evaluate.prefixes;
  options.progress = settings.evaluate.progress;
  options.should_stop = settings.evaluate.should_stop;
  options.last_sample = hooks.stop_requested;

  if (!requests.empty()) {
    models::GenerateRequest warm_up;
    const auto& prompt = requests.front().prompt;
    const std::size_t some = std::min(kWarmUpPrompt, prompt.size());
    warm_up.prompt.assign(prompt.begin(), prompt.begin() + static_cast<std::ptrdiff_t>(some));
    warm_up.max_new = kWarmUpTokens;
    const auto full = policies::known_policies().resolve("full");
    warm_up.policy = &full;
    models::GenerateOptions unshared = options;
    unshared.prefixes = nullptr;
    unshared.progress = nullptr;
    model.generate({&warm_up, 1}, unshared, [](std::size_t, models::GenerateResult) {});
  }

  model.generate(requests, options, [&](std::size_t index, models::GenerateResult result) {
    auto text = models::printable_utf8(tokenizer.decode(result.ids, /*skip_special=*/false));
    SampleOutcome outcome = generated_outcome(std::move(result));
    outcome.tokens_in = prompt_tokens();
    outcome.bos_count = bos_count(sample_ids[index], tokenizer);
    outcome.output = output_of(std::move(text), options.lanes);
    hooks.done(sample_ids[index], std::move(outcome));
  });
}

}  // namespace lethe::tasks
