// SPDX-License-Identifier: Apache-2.0
#include "tasks/answer_run.h"

#include <memory>
#include <utility>
#include <vector>

#include "harness/base/error.h"
#include "harness/base/hash.h"
#include "harness/base/text.h"
#include "models/engine/generate.h"
#include "models/tokenizer/text_stream.h"
#include "tasks/answer_score.h"
#include "tasks/generated_outcome.h"

namespace lethe::tasks {

namespace {

/// Prompts are made until they have so many tokens together, and answered before the next.
constexpr std::size_t kHeldTokens = std::size_t{1} << 22;

/// An id that ends an answer although it is no end of text.
std::optional<std::int64_t> last_token(const std::string& text,
                                       const models::Tokenizer& tokenizer) {
  if (text.empty()) return std::nullopt;
  const auto tokens = tokenizer.encode(text, false);
  if (tokens.empty()) return std::nullopt;
  return tokens.back();
}

models::GenerateOptions generate_options(const AnswerRun& run, const SampleHooks& hooks) {
  const models::EvaluateOptions& evaluate = run.settings.evaluate;
  models::GenerateOptions options;
  options.lanes = run.lanes;
  options.drawable_ids = run.tokenizer.vocab_size();
  options.kv_type = evaluate.kv_type;
  options.rope_angles = evaluate.rope_angles;
  options.prefixes = evaluate.prefixes;
  options.progress = evaluate.progress;
  options.should_stop = evaluate.should_stop;
  options.last_sample = hooks.stop_requested;
  return options;
}

SampleOutcome outcome_of(const AnswerRun& run, const AskedAnswer& asked, const std::string& text,
                         models::GenerateResult result) {
  auto answer = score_answer(run.task, asked.record, text, run.root);
  answer.output["stop"] = models::to_string(result.reason);
  answer.output["prompt_sha256"] = sha256_hex(asked.prompt.text);
  answer.output["cut"] = nullptr;
  SampleOutcome outcome = generated_outcome(std::move(result));
  if (const auto& cut = asked.prompt.cut) {
    answer.output["cut"] = {{"from", cut->from}, {"tokens", cut->tokens}};
    outcome.tokens_cut = cut->tokens;
  }
  for (const auto& [name, value] : asked.more) answer.output[name] = value;
  outcome.output = json::serialize(answer.output);
  outcome.score = answer.score;
  outcome.tokens_in = static_cast<std::int64_t>(asked.prompt.tokens.size());
  outcome.bos_count = asked.prompt.bos_count;
  return outcome;
}

/// Prompts that are answered together.
class Batch {
 public:
  Batch(const AnswerRun& run, const SampleHooks& hooks) : run_(run), hooks_(hooks) {
    end_ids_ = run.tokenizer.eos_ids();
    if (const auto id = last_token(run.task.end_token_of, run.tokenizer)) end_ids_.push_back(*id);
  }

  void add(AskedAnswer asked) {
    held_ += asked.prompt.tokens.size();
    asked_.push_back(std::move(asked));
  }
  bool full() const { return held_ >= kHeldTokens; }

  void answer() {
    if (asked_.empty()) return;
    const bool input_cut = cuts_input_to_budget(run_.settings);
    const auto whole = policies::known_policies().resolve("full");
    std::vector<std::string> texts(asked_.size());  // written to where they stand
    std::vector<std::unique_ptr<models::TextStream>> streams;
    std::vector<models::GenerateRequest> requests;
    for (std::size_t i = 0; i < asked_.size(); ++i) {
      streams.push_back(std::make_unique<models::TextStream>(run_.tokenizer, run_.task.stops,
                                                             /*skip_special=*/true));
      models::GenerateRequest request;
      request.schedule = run_.settings.evaluate.schedule;
      if (asked_[i].cut_after > 0) request.schedule.prompt = asked_[i].cut_after;
      request.prompt = asked_[i].prompt.tokens;
      request.policy = input_cut ? &whole : &run_.settings.policy;
      if (!input_cut) request.budget = run_.settings.budget;
      request.policy_seed = run_.settings.seed;
      request.max_new = run_.task.max_new;
      request.min_new = run_.task.min_new;
      request.end_ids = end_ids_;
      request.accept = [&text = texts[i], stream = streams.back().get()](std::int64_t id) {
        text += stream->push(id);
        return !stream->stopped();
      };
      requests.push_back(std::move(request));
    }
    auto options = generate_options(run_, hooks_);
    if (const auto progress = options.progress) {
      options.progress = [progress, before = done_](std::int64_t tokens) {
        progress(before + tokens);
      };
    }
    const auto totals = run_.model.generate(
        requests, options, [&](std::size_t index, models::GenerateResult result) {
          // Without stops the tokens are decoded as a whole, as the benchmarks' own programs do.
          const std::string text =
              run_.task.stops.empty()
                  ? run_.tokenizer.decode_text(result.ids, /*skip_special=*/true)
                  : models::printable_utf8(texts[index] + streams[index]->finish());
          hooks_.done(asked_[index].record.id,
                      outcome_of(run_, asked_[index], text, std::move(result)));
        });
    done_ += totals.prompt_tokens + totals.new_tokens;
    asked_.clear();
    held_ = 0;
  }

 private:
  const AnswerRun& run_;
  const SampleHooks& hooks_;
  std::vector<std::int64_t> end_ids_;
  std::vector<AskedAnswer> asked_;
  std::size_t held_ = 0;
  std::int64_t done_ = 0;  ///< tokens of earlier batches
};

}  // namespace

bool cuts_input_to_budget(const RunSettings& settings) {
  return settings.policy.text == "truncate";
}

void answer_samples(const AnswerRun& run, std::span<const std::string> sample_ids,
                    const AskAnswer& ask, const SampleHooks& hooks) {
  std::vector<std::string> failures;
  Batch batch(run, hooks);
  for (const auto& id : sample_ids) {
    try {
      batch.add(ask(id));
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kData) throw;
      failures.emplace_back(error.what());
    }
    if (batch.full()) {
      batch.answer();
      if (hooks.stop_requested()) return;
    }
  }
  batch.answer();
  if (!failures.empty() && !hooks.stop_requested()) {
    throw Error(ErrorKind::kData, with_thousands(static_cast<std::int64_t>(failures.size())) +
                                      " of " +
                                      with_thousands(static_cast<std::int64_t>(sample_ids.size())) +
                                      " samples have no prompt: " + failures.front());
  }
}

}  // namespace lethe::tasks
