// SPDX-License-Identifier: Apache-2.0
// Cells of NAMM beside those of other policies as plain values: scores, the memory that was really
// used, paired differences.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "harness/store/cache_size.h"
#include "harness/store/records.h"
#include "reports/perplexity_data.h"
#include "reports/statistics/clustered.h"
#include "reports/statistics/permutation.h"

namespace lethe::reports {

/// Name of the policy that the report is about.
inline constexpr std::string_view kNammPolicy = "namm";

/// One sample. Of a task with scores `score` counts (1 at best), of a text `nll`.
struct NammSample {
  std::string id;
  std::string hash;  ///< of the content: only equal content is paired
  std::string cluster;
  std::optional<double> score;
  std::int64_t tokens = 0;    ///< predicted
  std::optional<double> nll;  ///< summed, nats
  std::optional<store::CacheSize> cache;
};

/// One cell.
struct NammRow {
  std::string key;
  std::string policy;  ///< whole specification
  std::optional<std::int64_t> budget;
  std::string schedule;
  std::int64_t seed = 0;
  std::string content;  ///< SHA-256 of the parameters it ran with; "" for none
  std::string label;    ///< of this seed: "namm-recall-1", "seed 0"
  store::CellStatus status = store::CellStatus::kPending;
  std::string reason;
  std::int64_t wanted = 0;  ///< samples the grid asks for
  std::vector<NammSample> samples;

  bool failed() const;
};

/// Rows that differ in a seed only: of the training or of a random policy.
struct NammMethod {
  std::string name;    ///< of the policy: "h2o"
  std::string policy;  ///< specification, without the seed of the training
  std::optional<std::int64_t> budget;
  std::string schedule;
  std::vector<std::size_t> rows;  ///< indices, by seed

  bool full() const { return policy == kFullPolicy; }
  bool namm() const { return name == kNammPolicy; }
  bool same(const NammMethod& other) const {
    return policy == other.policy && budget == other.budget && schedule == other.schedule;
  }
};

/// One training run of kind "namm", as its recipe has it.
struct NammTraining {
  std::string key;
  std::string name;
  std::int64_t seed = 0;
  std::string checkpoint;  ///< SHA-256 of the parameters; "" for none
  std::string model;
  std::map<std::string, std::set<std::int64_t>> lengths;  ///< in tokens, by task, of all stages
};

/// Cells that may stand in one table: a model, a task and a length under equal settings.
struct NammPanel {
  Settings settings;          ///< `schedule` is empty and `seed` 0: these are the rows'
  bool text = false;          ///< a text without scores: perplexity stands instead
  bool corpus_score = false;  ///< the benchmark's own score is no mean over samples
  std::vector<NammRow> rows;
  std::vector<NammMethod> methods;  ///< the full cache first, NAMM, then the others

  /// A full cache with numbers, else one without, else nothing.
  std::optional<std::size_t> full() const;
  /// What a difference is given in: "points", "nats per token".
  std::string unit() const { return text ? "nats per token" : "points"; }
};

/// What a report is about.
struct NammResults {
  std::vector<NammPanel> panels;
  std::vector<NammTraining> trainings;
  std::size_t left_out = 0;  ///< cells of panels in which NAMM did not run

  /// The run that made these parameters; null where the database does not have it.
  const NammTraining* training(const std::string& content) const;
  /// Whether a method of a panel was evolved on its task, of whatever length; nothing where a run
  /// is not known.
  std::optional<bool> trained_on(const NammPanel& panel, const NammMethod& method) const;
};

/// A sample's value: 100 x score, or mean NLL in nats with the predicted tokens as its weight.
struct NammValue {
  std::string id;
  std::string hash;
  std::string cluster;
  double value = 0;
  double weight = 1;
};

/// What a row or a method showed.
struct NammMeasured {
  std::vector<NammValue> values;  ///< of the samples that every run has, their mean over runs
  Estimate estimate;              ///< clustered by document
  std::optional<store::CacheSize> cache;  ///< tokens per layer, mean over samples and runs
  std::size_t runs = 0;                   ///< with numbers
  double least = 0, most = 0;             ///< means of the runs

  std::optional<Interval> ends() const { return interval(estimate); }
};

/// Nothing where no sample has a value, or the cell ended in failure.
std::optional<NammMeasured> measure(const NammPanel& panel, const NammRow& row);
/// Over the rows that have numbers.
std::optional<NammMeasured> measure(const NammPanel& panel, const NammMethod& method);

/// Memory of another policy over NAMM's.
struct MemoryRatio {
  std::optional<double> mean, peak;
  double within = 0;  ///< 0.05: equal up to 5 %

  bool equal_mean() const;
  bool equal_peak() const;
  bool equal() const { return equal_mean() || equal_peak(); }
  /// "equal mean and peak", "equal peak (mean ×0.72)", "less (mean ×0.50)", "more (mean ×2.00)",
  /// "not known".
  std::string text() const;
};
MemoryRatio memory_ratio(const std::optional<store::CacheSize>& namm,
                         const std::optional<store::CacheSize>& other, double within);

/// By how much NAMM is better than another method on the samples they share.
struct NammComparison {
  std::size_t namm = 0;   ///< index of a method
  std::size_t other = 0;  ///< likewise
  Estimate gain;  ///< score of NAMM less the other's, points; NLL of the other less NAMM's, nats
  SignFlipResult test;   ///< over documents
  double p_holm = 1;     ///< over all comparisons of the panel
  bool partial = false;  ///< fewer pairs, or fewer runs, than there should be
  MemoryRatio memory;

  std::optional<Interval> ends() const { return interval(gain); }
};

/// Every NAMM with every other method of a panel that shares a sample with it.
std::vector<NammComparison> compare_methods(const NammPanel& panel, double equal_within);

/// Of those with `other` the one of the NAMM whose memory is nearest: equal before unequal, then
/// by mean. Null where there is none.
const NammComparison* nearest(const std::vector<NammComparison>& comparisons, std::size_t other);

/// Score over that of the full cache on shared samples (NAMM paper, "normalised performance"); of
/// a text perplexity of the full cache over the method's.
struct Normalised {
  std::optional<double> value;
  std::string missing;  ///< why there is none: "no full-cache cell", "base below 2 points"
};
/// `least_base`: points of the full cache below which a ratio says nothing.
Normalised normalised(const NammPanel& panel, const std::optional<NammMeasured>& own,
                      double least_base);

}  // namespace lethe::reports
