// SPDX-License-Identifier: Apache-2.0
#include "tasks/metrics/metric_families.h"
#include "tasks/metrics/python_text.h"
#include "tasks/metrics/rouge.h"
#include "tasks/metrics/synthetic.h"

namespace lethe::tasks {
namespace {

Scored babilong(ScoredCase& sample, const Segmenters&) {
  const std::string prediction = sample.prediction();
  const std::string target = sample.reference();
  return {babilong_strict(prediction, target, sample.text("question"), sample.texts("all_classes")),
          {},
          {{"score_old_substring_rule", babilong_substring(prediction, target)}}};
}

using RulerRule = double (*)(std::string_view, const std::vector<std::string>&);

template <RulerRule rule>
Scored ruler(ScoredCase& sample, const Segmenters&) {
  const double score = rule(sample.prediction(), sample.references());
  return {score, {}, {{"score_official_percent", ruler_percent({{score}})}}};
}

template <RulerRule rule>
Scored ruler_batch(ScoredCase& sample, const Segmenters&) {
  const auto [predictions, references] = sample.corpus();
  std::vector<double> scores;
  for (std::size_t i = 0; i < predictions.size(); ++i) {
    scores.push_back(rule(predictions[i], references[i]));
  }
  return {ruler_percent(scores), {}, {}};
}

template <double (*rule)(std::string_view, std::string_view)>
Scored needle(ScoredCase& sample, const Segmenters&) {
  return {rule(sample.prediction(), sample.reference()), {}, {}};
}

json::object as_json(const RougeScore& score) {
  return {{"r", score.recall}, {"p", score.precision}, {"f", score.f}};
}

/// kvpress gives needle and answer to the package in the order of its arguments: recall and
/// precision change places.
Scored needle_swapped(ScoredCase& sample, const Segmenters&) {
  const auto rouge = package_rouge(python_strip(std::string_view(sample.reference())),
                                   python_strip(std::string_view(sample.prediction())));
  if (rouge.empty) return {std::nullopt, "ValueError: an answer without a sentence", {}};
  return {rouge.l.f,
          {},
          {{"detail", json::object{{"rouge-1", as_json(rouge.one)},
                                   {"rouge-2", as_json(rouge.two)},
                                   {"rouge-l", as_json(rouge.l)}}}}};
}

}  // namespace

std::vector<Metric> synthetic_metrics() {
  const std::string ruler_source = "RULER (NVIDIA) constants.py and evaluate.py at c3f5e3b";
  const std::vector<std::string> reads{"prediction", "references"};
  const std::vector<std::string> batch{"predictions", "references"};
  const auto none = WordsNeeded::kNone;
  return {
      {"babilong_compare_answers",
       1,
       "the target and no other label; the older rule beside it",
       "BABILong (booydar/babilong) metrics.py at 7a6efee",
       {"prediction", "references", "question", "all_classes"},
       none,
       babilong},
      {"ruler_string_match_all", 1, "share of the references that the answer contains",
       ruler_source, reads, none, ruler<ruler_share>},
      {"ruler_string_match_part", 1, "whether the answer contains any reference", ruler_source,
       reads, none, ruler<ruler_any>},
      {"ruler_string_match_all_batch", 1, "ruler_string_match_all of a corpus, 0 to 100",
       ruler_source, batch, none, ruler_batch<ruler_share>},
      {"ruler_string_match_part_batch", 1, "ruler_string_match_part of a corpus, 0 to 100",
       ruler_source, batch, none, ruler_batch<ruler_any>},
      {"needle_rouge1_f_times_10", 1, "stemmed rouge1 F, times 10",
       "KVCache-Factory run_needle_in_haystack.py at c97f9d7", reads, none, needle<needle_rouge1>},
      {"needle_word_recall", 1, "share of the expected answer's words that the answer has",
       "KVCache-Factory visualize.py at c97f9d7", reads, none, needle<needle_word_recall>},
      {"needle_rouge_package_swapped", 1, "ROUGE-L F of the package rouge, needle as hypothesis",
       "kvpress needle_in_haystack at 8bb29b9; rouge 1.0.1", reads, none, needle_swapped}};
}

}  // namespace lethe::tasks
