// SPDX-License-Identifier: Apache-2.0
#include "tasks/memory/recall_task.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "harness/base/error.h"
#include "harness/base/hash.h"
#include "harness/base/seed.h"
#include "harness/base/spec.h"
#include "policies/registry.h"
#include "tasks/answer_run.h"
#include "tasks/memory/noise.h"
#include "tasks/window_options.h"

namespace lethe::tasks {
namespace {

// Tokens of the questions that a length counts: "?", then keys and values but for the last value.
std::int64_t questions(const SequenceOptions& options) {
  return SequenceGenerator(options).inputs() - options.size;
}

SequenceOptions options_at(std::int64_t length) {
  SequenceOptions options{SequenceTask::kRecall, 64};
  const std::int64_t asked = questions(options);
  options.size = length - asked;
  if (options.size < asked) {
    throw Error(ErrorKind::kConfig,
                "task recall: expected a length of at least " + std::to_string(2 * asked) +
                    " tokens (pairs and questions), found " + std::to_string(length));
  }
  return options;
}

// The model's ids are those of the vocabulary, in its order.
void require_vocabulary(const SequenceGenerator& generator, const models::Tokenizer& tokenizer) {
  const auto& words = generator.vocabulary();
  bool same = tokenizer.vocab_size() == std::ssize(words);
  for (const std::size_t i : {std::size_t{1}, std::size_t{2}, words.size() - 1}) {
    same = same &&
           word_ids(tokenizer, words[i]) == std::vector<std::int64_t>{static_cast<std::int64_t>(i)};
  }
  if (same) return;
  throw Error(ErrorKind::kModel,
              "vocabulary mismatch: task recall: expected a model trained on its " +
                  std::to_string(words.size()) +
                  " words (`lethe train rmt --recipe recall-small`), found a vocabulary of " +
                  std::to_string(tokenizer.vocab_size()));
}

}  // namespace

RecallOptions RecallOptions::parse(const json::object& object) {
  const json::value holder(object);
  ObjectReader reader(holder, "task recall", ErrorKind::kConfig);
  RecallOptions options;
  options.samples =
      at_least(reader.integer("samples", options.samples), 1, reader.where("samples"));
  options.seed = at_least(reader.integer("seed", 0), 0, reader.where("seed"));
  if (reader.has("seeds")) {
    for (const json::value& seed : reader.array("seeds")) {
      json::error_code ec;
      options.seeds.push_back(seed.to_number<std::uint64_t>(ec));
      if (ec) {
        throw Error(ErrorKind::kConfig, reader.where("seeds") +
                                            ": expected numbers of at least 0, found " +
                                            canonical_json(seed));
      }
    }
  }
  reader.finish();
  return options;
}

RecallTask::RecallTask(RecallOptions options, std::int64_t length)
    : options_(std::move(options)), generator_(options_at(length)) {}

json::object RecallTask::identity() const {
  if (!options_.seeds.empty()) {
    return {{"version", kVersion},
            {"seeds", json::array(options_.seeds.begin(), options_.seeds.end())}};
  }
  return {{"version", kVersion}, {"samples", options_.samples}, {"seed", options_.seed}};
}

std::vector<SampleInfo> RecallTask::samples(const models::Tokenizer& tokenizer) const {
  require_vocabulary(generator_, tokenizer);
  std::vector<std::string> ids;
  for (const std::uint64_t seed : options_.seeds) ids.push_back("seed/" + std::to_string(seed));
  for (std::int64_t i = 0; options_.seeds.empty() && i < options_.samples; ++i) {
    ids.push_back("test/" + std::to_string(options_.seed) + "/" + std::to_string(i));
  }
  std::vector<SampleInfo> samples;
  for (const std::string& id : ids) {
    samples.push_back({id,
                       sha256_hex("recall/" + std::to_string(kVersion) + "/" +
                                  std::to_string(generator_.inputs()) + "/" + id),
                       id});
  }
  return samples;
}

SampleOutcome RecallTask::run(const std::string& sample_id, const models::Tokenizer& /*tokenizer*/,
                              const models::Model& model, const RunSettings& settings) const {
  const SequenceSample sample =
      generator_.sample(derive_seed(0, "recall/" + sample_id), SequenceSplit::kTest);
  const auto inputs = static_cast<std::size_t>(sample.inputs());
  // Without the last value, which is only predicted.
  std::span<const std::int64_t> tokens = std::span(sample.tokens).first(inputs);
  models::EvaluateOptions options = settings.evaluate;
  options.budget = settings.budget;
  options.seed = settings.seed;
  const policies::PolicyPlan* policy = &settings.policy;
  policies::PolicyPlan whole;
  std::int64_t cut = 0;
  if (cuts_input_to_budget(settings)) {
    whole = policies::known_policies().resolve("full");
    policy = &whole;
    options.budget.reset();
    options.schedule = {};  // the cache of what is left is full
    cut = std::max<std::int64_t>(0, std::ssize(tokens) - settings.budget.value());
    tokens = tokens.subspan(static_cast<std::size_t>(cut));
  }
  // Row t predicts token t + 1.
  std::vector<std::int64_t> wanted;
  const std::int64_t step = sample.target_step;
  for (std::int64_t at = sample.target_begin + step - 1; at < sample.target_end; at += step) {
    if (at - 1 < cut) continue;  // a budget shorter than the questions
    options.logit_rows.push_back(at - 1 - cut);
    wanted.push_back(sample.tokens[static_cast<std::size_t>(at)]);
  }
  options.score_from = std::ssize(tokens) - 2;
  const auto result = model.evaluate(tokens, *policy, options);
  SampleOutcome outcome;
  json::array asked, predicted;
  std::int64_t right = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const std::vector<float>& logits = result.logits[i];
    const auto best = std::ranges::max_element(logits) - logits.begin();
    double sum = 0;
    for (const float logit : logits) {
      sum += std::exp(static_cast<double>(logit) - logits[static_cast<std::size_t>(best)]);
    }
    outcome.nll.push_back(std::log(sum) + logits[static_cast<std::size_t>(best)] -
                          logits[static_cast<std::size_t>(wanted[i])]);
    right += best == wanted[i];
    asked.emplace_back(wanted[i]);
    predicted.emplace_back(best);
  }
  const std::int64_t all = (sample.target_end - sample.target_begin) / step;
  outcome.output = json::serialize(
      json::object{{"wanted", asked}, {"predicted", predicted}, {"questions", all}});
  outcome.score = static_cast<double>(right) / static_cast<double>(all);
  outcome.tokens_in = std::ssize(tokens);
  outcome.tokens_cut = cut;
  outcome.layers = result.layers;
  outcome.kv_bytes = result.kv_bytes;
  outcome.peak_kv_bytes = result.peak_kv_bytes;
  outcome.shared_tokens = result.shared_tokens;
  outcome.seconds = result.seconds;
  return outcome;
}

std::optional<double> RecallTask::rescore(const std::string& output) {
  const json::value value = parse_json(output, "output", ErrorKind::kData);
  ObjectReader reader(value, "output", ErrorKind::kData);
  const auto& wanted = reader.array("wanted");
  const auto& predicted = reader.array("predicted");
  std::int64_t right = 0;
  for (std::size_t i = 0; i < wanted.size() && i < predicted.size(); ++i) {
    right += wanted[i] == predicted[i];
  }
  return static_cast<double>(right) / static_cast<double>(reader.integer("questions"));
}

}  // namespace lethe::tasks
