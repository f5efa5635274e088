// SPDX-License-Identifier: Apache-2.0
// Results of the task `retention` as plain values.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "reports/perplexity_data.h"
#include "reports/perplexity_query.h"

namespace lethe::reports {

/// Tokens of one part of speech.
struct TagLifetime {
  std::int64_t tokens = 0;
  double mean = 0;  ///< steps, over tokens and layers
};

/// One sample's output (tasks/retention.h).
struct RetentionSample {
  std::string cluster;
  std::optional<double> recency_share;
  std::vector<std::optional<double>> layers;  ///< recency share of each; none where no token left
  std::vector<std::optional<double>> first;   ///< mean lifetime of positions 0, 1, …
  std::map<std::string, TagLifetime> tags;
};

/// The task whose cells are meant.
inline constexpr std::string_view kRetentionTask = "retention";

/// Samples by cell key. Throws Error(kStore) naming a sample whose output is none of this task.
using RetentionOutputs = std::map<std::string, std::vector<RetentionSample>>;
RetentionOutputs read_retention(const store::RunStore& store, const Selection& selection);

/// The samples of a cell of a panel; empty where its numbers may not be shown.
const std::vector<RetentionSample>& samples_of(const Panel& panel, const RetentionOutputs& outputs,
                                               std::string_view policy, std::int64_t budget);

/// Mean recency share, clustered by book; nothing where no token left.
std::optional<Estimate> recency_of(const std::vector<RetentionSample>& samples);
/// Mean of every element of `member` over the samples that have it; nothing where none has.
std::vector<std::optional<double>> mean_of(
    const std::vector<RetentionSample>& samples,
    std::vector<std::optional<double>> RetentionSample::*member);
/// By tag, over all tokens of all samples.
std::map<std::string, TagLifetime> tags_of(const std::vector<RetentionSample>& samples);
/// Mean over the tokens of some tags; nothing where there is none.
std::optional<double> mean_of_tags(const std::map<std::string, TagLifetime>& tags,
                                   const std::vector<std::string>& group);

/// Mean of one group less that of the other in every sample that has both, clustered by book.
std::optional<Estimate> difference_of_groups(const std::vector<RetentionSample>& samples,
                                             const std::vector<std::string>& group,
                                             const std::vector<std::string>& other);

/// The queries behind the tables of a panel. One row per cell: policy, budget, recency_share,
/// samples.
std::string recency_sql(const Selection& selection, const Settings& settings);
/// One row per cell and position: policy, budget, position, mean_lifetime.
std::string first_positions_sql(const Selection& selection, const Settings& settings);
/// One row per cell and tag: policy, budget, tag, tokens, mean_lifetime.
std::string tag_lifetimes_sql(const Selection& selection, const Settings& settings);

}  // namespace lethe::reports
