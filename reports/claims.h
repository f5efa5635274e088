// SPDX-License-Identifier: Apache-2.0
// What a paper claims, read from data/published/claims-*.json, and whether a panel bears it out.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/base/json.h"
#include "reports/perplexity_data.h"
#include "reports/table.h"

namespace lethe::reports {

enum class Verdict { kReproduced, kNotReproduced, kNotComparable };
/// "reproduced", "not reproduced", "not comparable".
std::string_view to_string(Verdict verdict);
/// Of a claim that could be checked.
Verdict verdict_of(bool holds);
/// How a page shows it.
Tone tone_of(Verdict verdict);

enum class ClaimKind {
  kOrder,      ///< policy a is at most policy b at every budget below the length
  kRatio,      ///< perplexity of a over b at one share of the length, bounded
  kInvariant,  ///< budgets of at least the length equal the reference; a violation is a bug
};

struct Claim {
  std::string id;
  ClaimKind kind = ClaimKind::kOrder;
  std::string statement;
  std::string source;
  std::string tolerance_reason;
  std::string a;  ///< policy specification; empty for an invariant (every policy with a budget)
  std::string b;  ///< policy it is compared with
  double tolerance_nats = 0;                         ///< order
  double fraction = 0;                               ///< ratio: budget / length
  std::optional<double> at_least;                    ///< ratio
  std::optional<double> at_most;                     ///< ratio
  std::map<std::string, double> tolerance_of_dtype;  ///< invariant
};

/// A policy of the paper: ours, theirs, and what a table calls it.
struct PolicyName {
  std::string spec;
  std::string published;
  std::string label;
};

/// What a table calls a specification: "Full cache", the label among `names`, else the
/// specification itself.
std::string policy_label(std::span<const PolicyName> names, std::string_view spec);

/// One claims file: rows in the paper's order, pairs to compare, claims.
struct ClaimSet {
  std::string title;
  std::string paper;
  std::string arxiv;
  std::string published;  ///< id of the table printed beside ours
  std::string task;
  std::string schedule;
  std::string positions;
  std::vector<PolicyName> policies;
  std::vector<std::pair<std::string, std::string>> comparisons;
  std::vector<Claim> claims;

  /// The paper's label of a specification, or the specification itself.
  std::string label(std::string_view spec) const;
};

/// A member that is a list of texts. Throws Error(kData) that names the member.
std::vector<std::string> read_texts(ObjectReader& reader, std::string_view name);

/// Member "policies" of a claims file. Throws Error(kData) that names the member.
std::vector<PolicyName> read_policy_names(ObjectReader& reader);

/// Reads a file of schema lethe-claims-1. Throws Error(kData) that names file and member.
ClaimSet read_claims(const std::filesystem::path& path);

/// One comparison behind a verdict.
struct ClaimCheck {
  std::string policy;  ///< specification
  std::optional<std::int64_t> budget;
  Verdict verdict = Verdict::kNotComparable;
  std::string numbers;  ///< what was compared, or why nothing was
  std::size_t samples = 0;
  std::size_t books = 0;
  std::optional<double> p;       ///< two-sided, of the paired difference
  std::optional<double> p_holm;  ///< within the table of differences it stands in
};

struct ClaimOutcome {
  Claim claim;
  std::vector<ClaimCheck> checks;

  /// Not reproduced when any check fails, not comparable when none could be made.
  Verdict verdict() const;
  /// What stands behind the verdict in a few words: "holds in 3 of 4 checks; fails at 1,024".
  std::string summary() const;
};

/// Policies of a panel that take a budget: those of the claim set in the paper's order, then
/// others.
std::vector<std::string> policy_order(const Panel& panel, const ClaimSet& claims);

/// Paired differences of a panel: between policies, and of every policy against the full cache.
struct Comparisons {
  std::vector<PairedDifference> between;
  std::vector<PairedDifference> against_full;

  const PairedDifference* find(std::string_view a, std::string_view b, std::int64_t budget) const;
};

/// Pairs of the claim set (those its order claims need included), at budgets below the length, Holm
/// within each of the two lists.
Comparisons compare_panel(const Panel& panel, const ClaimSet& claims);

std::vector<ClaimOutcome> check_claims(const Panel& panel, const ClaimSet& claims,
                                       const Comparisons& comparisons);

}  // namespace lethe::reports
