// SPDX-License-Identifier: Apache-2.0
// Perplexity results of a grid as plain values: what the tables, claims and plots are made from.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/store/records.h"
#include "reports/statistics/clustered.h"
#include "reports/statistics/permutation.h"

namespace lethe::reports {

/// Canonical specification of the policy that evicts nothing: the topline.
inline constexpr std::string_view kFullPolicy = "full";

/// One scored sample.
struct SampleValue {
  std::string id;
  std::string hash;  ///< of the content: only equal content is paired
  std::string cluster;
  std::int64_t tokens = 0;  ///< predicted
  double nll = 0;           ///< summed, nats

  double mean_nll() const { return nll / static_cast<double>(tokens); }
};

/// One cell with its scored samples in order of id.
struct CellResult {
  std::string key;
  std::string policy;
  std::optional<std::int64_t> budget;
  store::CellStatus status = store::CellStatus::kPending;
  std::string reason;
  std::int64_t wanted = 0;  ///< samples the grid asks for
  std::int64_t stored = 0;  ///< samples there are, with an NLL or without
  std::vector<SampleValue> samples;

  std::int64_t tokens() const;
  /// Whether numbers of this cell may be shown: it has samples and did not end in failure.
  bool usable() const;
  bool partial() const { return static_cast<std::int64_t>(samples.size()) < wanted; }
};

/// What all cells of one table share: everything in the key but policy and budget.
struct Settings {
  std::string task;
  std::string model;
  std::int64_t length = 0;
  std::string schedule;
  std::string positions;
  std::string dtype;
  std::string kv_dtype;
  std::int64_t seed = 0;
  std::string variant;  ///< canonical JSON of the remaining key inputs

  bool operator==(const Settings&) const = default;
};

/// Cells that may stand in one table.
struct Panel {
  Settings settings;
  std::vector<CellResult> cells;

  const CellResult* find(std::string_view policy, std::optional<std::int64_t> budget) const;
  const CellResult* full() const { return find(kFullPolicy, std::nullopt); }
  /// Budgets that occur, ascending.
  std::vector<std::int64_t> budgets() const;
};

/// Perplexity of one cell. Interval ends are exp() of the ends for the mean NLL.
struct PerplexityEstimate {
  Estimate nll;  ///< token average, nats, clustered by book
  std::optional<Interval> nll_interval;
  std::int64_t tokens = 0;
  double perplexity = 0;       ///< exp(sum of NLL / sum of tokens)
  double book_perplexity = 0;  ///< mean over books of exp(book NLL / book tokens)
  std::optional<Interval> book_interval;
};

/// Throws Error(kInternal) when the cell has no samples.
PerplexityEstimate estimate_perplexity(const CellResult& cell);

/// Samples that two cells share (equal id and content).
struct PairedSamples {
  std::vector<double> difference;  ///< mean NLL of a minus b, nats per token
  std::vector<double> weight;      ///< tokens
  std::vector<std::string> cluster;
};
PairedSamples pair_samples(const CellResult& a, const CellResult& b);

/// "a minus b" at one budget, on the same samples.
struct PairedDifference {
  std::string a;
  std::string b;
  std::int64_t budget = 0;
  Estimate delta;  ///< mean NLL, nats per token, clustered by book
  std::optional<Interval> delta_interval;
  double ratio = 1;  ///< of perplexities, exp(delta)
  SignFlipResult test;
  double p_holm = 1;                 ///< within its table
  std::optional<double> detectable;  ///< |delta| found with 80 % power at the 5 % level
  bool partial = false;              ///< fewer pairs than either cell should have
};

/// The difference of two cells; none when they share no sample.
std::optional<PairedDifference> compare_cells(const CellResult& a, const CellResult& b,
                                              std::int64_t budget);

/// Sets p_holm over all rows.
void adjust_for_multiplicity(std::vector<PairedDifference>& rows);

}  // namespace lethe::reports
