// SPDX-License-Identifier: Apache-2.0
// What the TOVA paper says about which tokens stay, and whether a panel bears it out.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "reports/claims.h"
#include "reports/retention_data.h"

namespace lethe::reports {

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

/// One claim with what was found.
struct RetentionFinding {
  RetentionClaims::Statement statement;
  Verdict verdict = Verdict::kNotComparable;
  std::string numbers;
};

/// The budget at the claims' share of a panel's length; none where no cell has it.
std::optional<std::int64_t> claimed_budget(const Panel& panel, const RetentionClaims& claims);

/// Policies with explicit sinks against the one without, at every budget below the length; Holm
/// over all of them.
std::vector<PairedDifference> compare_sinks(const Panel& panel, const RetentionClaims& claims);

/// Recency, first tokens, sinks, tags.
std::vector<RetentionFinding> check_retention(const Panel& panel, const RetentionOutputs& outputs,
                                              const RetentionClaims& claims);

}  // namespace lethe::reports
