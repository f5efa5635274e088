// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "harness/base/json.h"
#include "tasks/metrics/infinitebench.h"
#include "tasks/metrics/metric_families.h"
#include "tasks/metrics/rouge_score.h"
#include "tasks/metrics/token_f1.h"

namespace lethe::tasks {
namespace {

/// The label of a record is one value, or a list of which most rules take the first.
const json::value& label_of(ScoredCase& sample) {
  const json::value& value = sample.value("references");
  if (!value.is_array()) return value;
  if (value.as_array().empty()) {
    throw Error(ErrorKind::kData,
                sample.where("references") + ": expected at least one label, found an empty list");
  }
  return value.as_array().front();
}

/// An integer or a text, as text.
std::string label_text(const json::value& label, const std::string& where) {
  if (label.is_int64() || label.is_uint64()) return json::serialize(label);
  if (label.is_string()) return std::string(label.as_string());
  throw Error(ErrorKind::kData, where + ": expected a text or an integer, found " +
                                    std::string(describe_type(label)));
}

template <double (*rule)(std::string_view, std::string_view)>
Scored first_label(ScoredCase& sample, const Segmenters&) {
  const auto label = label_text(label_of(sample), sample.where("references"));
  return {rule(sample.prediction(), label), {}, {}};
}

template <double (*rule)(std::string_view, std::string_view)>
Scored best_label(ScoredCase& sample, const Segmenters&) {
  const std::string prediction = sample.prediction();
  double best = 0;
  for (const auto& label : sample.references()) best = std::max(best, rule(prediction, label));
  return {best, {}, {}};
}

double summary(std::string_view prediction, std::string_view label) {
  return google_rouge(prediction, label, false)[kRougeLsum].f;
}

Scored choice(ScoredCase& sample, const Segmenters&) {
  return {book_choice(sample.prediction(), sample.references()), {}, {}};
}

Scored code_debug(ScoredCase& sample, const Segmenters&) {
  const auto labels = sample.references();
  if (labels.size() != 2) {
    throw Error(ErrorKind::kData, sample.where("references") +
                                      ": expected [function name, letter], found " +
                                      std::to_string(labels.size()) + " texts");
  }
  return {code_debug_match(sample.prediction(), labels[0], labels[1]), {}, {}};
}

Scored math_find(ScoredCase& sample, const Segmenters&) {
  const std::string prediction = sample.prediction();
  const json::value& label = label_of(sample);
  if (label.is_double()) return {first_fraction_equals(prediction, label.as_double()), {}, {}};
  const auto score =
      first_integer_equals(prediction, label_text(label, sample.where("references")));
  return {score, score ? "" : "ValueError: int() of a fraction", {}};
}

Scored math_calc(ScoredCase& sample, const Segmenters&) {
  const json::value& value = sample.value("references");
  std::vector<std::string> labels;
  if (const auto* list = value.if_array()) {
    for (const auto& label : *list) {
      labels.push_back(label_text(label, sample.where("references")));
    }
  }
  const bool gpt4 = sample.text("model_rule", "") == "gpt4";
  return {leading_numbers(sample.prediction(), labels, gpt4), {}, {}};
}

}  // namespace

std::vector<Metric> infinitebench_metrics() {
  struct Rule {
    const char* task;
    const char* summary;
    Scored (*score)(ScoredCase&, const Segmenters&);
  };
  const Rule rules[] = {
      {"passkey", "the first number is the key", first_label<first_number_match>},
      {"number_string", "the first number is the label", first_label<first_number_match>},
      {"kv_retrieval", "the value is one of the words", first_label<word_match>},
      {"longdialogue_qa_eng", "the first label is one of the words", first_label<upper_word_match>},
      {"longbook_qa_eng", "token F1 of normalised words", best_label<qa_f1>},
      {"longbook_qa_chn", "F1 of characters", best_label<character_f1>},
      {"longbook_sum_eng", "rougeLsum F", best_label<summary>},
      {"longbook_choice_eng", "the letter or text of the answer", choice},
      {"math_find", "the first number is the label", math_find},
      {"math_calc", "share of intermediate results before the first error", math_calc},
      {"code_run", "the last word is the number", first_label<last_integer_match>},
      {"code_debug", "letter or name of the function", code_debug}};
  std::vector<Metric> metrics;
  for (const Rule& rule : rules) {
    std::vector<std::string> reads{"prediction", "references"};
    if (rule.score == math_calc) reads.emplace_back("model_rule");
    metrics.push_back({std::string("infinitebench_") + rule.task, 1, rule.summary,
                       "InfiniteBench (OpenBMB) compute_scores.py at 88b3daa", std::move(reads),
                       WordsNeeded::kNone, rule.score});
  }
  return metrics;
}

}  // namespace lethe::tasks
