// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "tasks/metrics/metric_families.h"
#include "tasks/metrics/token_f1.h"
#include "tasks/metrics/zeroscrolls.h"

namespace lethe::tasks {
namespace {

template <double (*pair)(std::string_view, std::string_view)>
Scored best_pair(ScoredCase& sample, const Segmenters&) {
  const std::string prediction = sample.prediction();
  double best = 0;
  for (const auto& reference : sample.references()) {
    best = std::max(best, pair(prediction, reference));
  }
  return {best, {}, {}};
}

Scored zeroscrolls_f1(ScoredCase& sample, const Segmenters& segmenters) {
  const auto words = zeroscrolls_words(sample.prediction());
  double best = 0;
  for (const auto& reference : sample.references()) {
    best = std::max(best, token_f1(words, zeroscrolls_words(reference)));
  }
  return {
      best, {}, {{"score_without_transliteration", *best_pair<qa_f1>(sample, segmenters).score}}};
}

Scored quality_accuracy(ScoredCase& sample, const Segmenters&) {
  return {option_accuracy(sample.prediction(), sample.reference()), {}, {}};
}

Scored space_digest(ScoredCase& sample, const Segmenters&) {
  const auto score = exp_similarity(sample.prediction(), sample.reference());
  return {score, score ? "" : "the reference has no percentage", {}};
}

Scored book_sum_sort(ScoredCase& sample, const Segmenters&) {
  const auto score = concordance_index(sample.prediction(), sample.reference());
  return {score, score ? "" : "ZeroDivisionError: no pair of numbers in the reference", {}};
}

}  // namespace

std::vector<Metric> answer_metrics() {
  const std::string zero = "ZeroSCROLLS (tau/zero_scrolls) metrics/";
  const std::vector<std::string> reads{"prediction", "references"};
  const auto none = WordsNeeded::kNone;
  return {
      {"qasper_answer_f1", 1, "token F1 of normalised words; unanswerable is \"Unanswerable\"",
       "QASPER (allenai/qasper-led-baseline) evaluator.py at afd0fb9; SCROLLS f1.py", reads, none,
       best_pair<qa_f1>},
      {"scrolls_exact_match", 1, "equality of the normalised texts",
       "SCROLLS (tau/scrolls) metrics/exact_match.py", reads, none, best_pair<exact_match>},
      {"zeroscrolls_f1", 1, "token F1 of normalised words brought to ASCII, by tables of our own",
       zero + "f1.py", reads, none, zeroscrolls_f1},
      {"zeroscrolls_accuracy", 1, "the first stand-alone letter A to D is the right one",
       zero + "accuracy.py", reads, none, quality_accuracy},
      {"zeroscrolls_exp_similarity", 1, "0.5 ^ (distance of percentages / 10)",
       zero + "exp_similarity.py", reads, none, space_digest},
      {"zeroscrolls_concordance_index", 1, "share of pairs in the right order",
       zero + "concordance_index.py", reads, none, book_sum_sort}};
}

}  // namespace lethe::tasks
