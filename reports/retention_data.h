// SPDX-License-Identifier: Apache-2.0
// Results of the task `retention` as plain values, and the paper's claims about them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
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
  std::vector<double> layers;  ///< recency share of each
  std::vector<double> first;   ///< mean lifetime of positions 0, 1, …
  std::map<std::string, TagLifetime> tags;
};

/// Samples by cell key. Throws Error(kStore) naming a sample whose output is none of this task.
std::map<std::string, std::vector<RetentionSample>> read_retention(const store::RunStore& store,
                                                                   const Selection& selection);

/// Mean recency share, clustered by book; nothing where no token left.
std::optional<Estimate> recency_of(const std::vector<RetentionSample>& samples);
/// Mean over samples of every element of `member`.
std::vector<double> mean_of(const std::vector<RetentionSample>& samples,
                            std::vector<double> RetentionSample::*member);
/// By tag, over all tokens of all samples.
std::map<std::string, TagLifetime> tags_of(const std::vector<RetentionSample>& samples);
/// Mean over the tokens of some tags; nothing where there is none.
std::optional<double> mean_of_tags(const std::map<std::string, TagLifetime>& tags,
                                   const std::vector<std::string>& group);

/// data/published/claims-tova-analysis.json.
struct RetentionClaims {
  struct Statement {
    std::string text;
    std::string source;
  };
  std::string paper, arxiv, published, policy;
  double fraction = 0;  ///< of the length, at which tables are compared
  Statement recency, first, sinks, tags;
  double recency_at_least = 0, recency_at_most = 0;
  double first_at_least = 0, next_at_most = 0;  ///< of the length
  std::vector<std::string> sink_policies;
  double sink_tolerance_nats = 0;
  std::vector<std::string> longer, shorter;
};

/// Throws Error(kData) that names file and member.
RetentionClaims read_retention_claims(const std::filesystem::path& path);

}  // namespace lethe::reports
