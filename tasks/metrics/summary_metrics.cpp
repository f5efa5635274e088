// SPDX-License-Identifier: Apache-2.0
#include "tasks/metrics/metric_families.h"
#include "tasks/metrics/python_text.h"
#include "tasks/metrics/rouge_score.h"

namespace lethe::tasks {
namespace {

json::object as_json(const RougeTypes& types) {
  json::object out;
  for (std::size_t type = 0; type < types.size(); ++type) {
    const RougeParts& parts = types[type];
    out[kRougeTypes[type]] = {{"p", parts.precision}, {"r", parts.recall}, {"f", parts.f}};
  }
  return out;
}

/// The package itself, one reference.
Scored package(ScoredCase& sample, const Segmenters&) {
  const std::string prediction = sample.prediction();
  const std::string reference = sample.reference();
  const auto plain = google_rouge(prediction, reference, false);
  return {plain[kRougeL].f,
          {},
          {{"detail_no_stemmer", as_json(plain)},
           {"detail_stemmer", as_json(google_rouge(prediction, reference, true))}}};
}

/// rouge1, rouge2 and rougeL, each its maximum F over the references, 0 to 100.
struct ScrollsRouge {
  double one, two, l;
};

ScrollsRouge scrolls_rouge(std::string_view prediction,
                           const std::vector<std::string>& references) {
  const auto best = best_google_rouge(prediction, references, false).scores;
  return {100 * best[kRouge1].f, 100 * best[kRouge2].f, 100 * best[kRougeL].f};
}

double geometric_mean(const ScrollsRouge& rouge) {
  return rouge_geometric_mean(rouge.one, rouge.two, rouge.l);
}

double rounded(double value) {
  return python_round(value, 4);
}

Scored scrolls_sample(ScoredCase& sample, const Segmenters&) {
  const auto rouge = scrolls_rouge(sample.prediction(), sample.references());
  const double mean = geometric_mean(rouge);
  return {mean,
          {},
          {{"detail", json::object{{"rouge1", rouge.one},
                                   {"rouge2", rouge.two},
                                   {"rougeL", rouge.l},
                                   {"geometric_mean", mean}}}}};
}

/// The geometric mean of means over the corpus, which is not a mean of geometric means.
Scored scrolls_corpus(ScoredCase& sample, const Segmenters&) {
  const auto [predictions, references] = sample.corpus();
  ScrollsRouge sum{0, 0, 0};
  double sum_of_means = 0;
  for (std::size_t i = 0; i < predictions.size(); ++i) {
    const auto rouge = scrolls_rouge(predictions[i], references[i]);
    sum = {sum.one + rouge.one, sum.two + rouge.two, sum.l + rouge.l};
    sum_of_means += geometric_mean(rouge);
  }
  const auto n = static_cast<double>(predictions.size());
  const ScrollsRouge mean{sum.one / n, sum.two / n, sum.l / n};
  const double score = rounded(geometric_mean(mean));
  return {score,
          {},
          {{"detail", json::object{{"rouge1", rounded(mean.one)},
                                   {"rouge2", rounded(mean.two)},
                                   {"rougeL", rounded(mean.l)},
                                   {"geometric_mean", score}}},
           {"mean_of_per_example_geometric_means", sum_of_means / n}}};
}

Scored squality(ScoredCase& sample, const Segmenters&) {
  const std::string prediction = python_strip(std::string_view(sample.prediction()));
  auto references = sample.references();
  for (auto& reference : references) reference = python_strip(std::string_view(reference));
  const BestRouge best = best_google_rouge(prediction, references, true);
  json::object chosen;
  json::object average;
  for (std::size_t type = 0; type < kRougeTypes.size(); ++type) {
    chosen[kRougeTypes[type]] = best.reference[type];
    average[kRougeTypes[type]] = best.mean_f[type];
  }
  return {best.scores[kRougeL].f,
          {},
          {{"detail", as_json(best.scores)},
           {"best_reference", std::move(chosen)},
           {"average_over_references_f", std::move(average)}}};
}

}  // namespace

std::vector<Metric> summary_metrics() {
  const std::string google = "rouge_score 0.1.2 (Google)";
  const std::vector<std::string> reads{"prediction", "references"};
  return {{"rouge_score_package", 1,
           "rougeL F against one reference; all four types, with and "
           "without stemmer, beside it",
           google, reads, WordsNeeded::kNone, package},
          {"scrolls_rouge_geometric_mean", 1,
           "one sample: geometric mean of rouge1, rouge2, rougeL, 0 to 100",
           "SCROLLS (tau/scrolls) metrics/rouge.py; " + google, reads, WordsNeeded::kNone,
           scrolls_sample},
          {"scrolls_rouge_dataset",
           1,
           "a corpus: geometric mean of the three corpus means",
           "SCROLLS (tau/scrolls) metrics/scrolls.py; " + google,
           {"predictions", "references"},
           WordsNeeded::kNone,
           scrolls_corpus},
          {"squality_multi_rouge", 1, "stemmed rougeL F of the best reference; sentences as lines",
           "SQuALITY (nyu-mll) multi_rouge.py at dc08d4f; " + google, reads, WordsNeeded::kNone,
           squality}};
}

}  // namespace lethe::tasks
