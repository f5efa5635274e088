// SPDX-License-Identifier: Apache-2.0
// What the NAMM paper claims (data/published/claims-namm.json), what it printed, and whether the
// panels of a database bear it out.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "reports/claim_checks.h"
#include "reports/claims.h"
#include "reports/namm_data.h"
#include "reports/published.h"

namespace lethe::reports {

enum class NammClaimKind {
  kBeats,    ///< better than a policy at equal memory
  kKeeps,    ///< at least as good as the full cache
  kSmaller,  ///< mean memory at most a share of the full cache's, on the paper's benchmark
  kRises,    ///< better than the policy that its start is
};

struct NammClaim {
  std::string id;
  NammClaimKind kind = NammClaimKind::kBeats;
  std::string statement;
  std::string source;
  std::string other;  ///< beats, rises: name of a policy
  double share = 1;   ///< smaller: of the full cache's mean memory, at most
};

struct NammClaims {
  std::string paper;
  std::string arxiv;
  std::vector<PolicyName> policies;
  std::string benchmark_tasks;               ///< beginning of the names of the paper's tasks here
  std::vector<std::string> paper_models;     ///< names here of the paper's model
  std::vector<std::string> synthetic_tasks;  ///< what succeeds on them is a mechanism
  std::string mechanism;
  double least_base = 0;    ///< points of the full cache below which there is no ratio
  double equal_within = 0;  ///< shares of memory that count as equal
  double alpha = 0;         ///< of the tests behind verdicts, after Holm's correction
  std::size_t seeds = 0;    ///< of an evolution, at least, before it says anything of others
  std::vector<NammClaim> claims;
  PublishedTable aggregate;                ///< the paper's means over LongBench
  PublishedTable base;                     ///< its full cache by task
  std::vector<PublishedTable> references;  ///< results of other set-ups, never run here

  bool synthetic(const NammPanel& panel) const;
  bool of_benchmark(const NammPanel& panel) const;
  /// "NAMM namm-recall, capped", "H2O", "window:sinks=8".
  std::string label(const NammMethod& method) const;
  /// The same with budget and schedule: "H2O 96, block:64".
  std::string whole_label(const NammMethod& method) const;
  /// "recall, 512 tokens, model recall".
  std::string place(const NammPanel& panel) const;
};

/// Reads claims-namm.json and the published tables that it names from `folder`. Throws Error(kData)
/// that names file and member.
NammClaims read_namm_claims(const std::filesystem::path& folder);

struct NammClaimOutcome {
  NammClaim claim;
  std::vector<NamedCheck> checks;  ///< at least one

  Verdict verdict() const { return verdict_of(checks); }
  std::string summary() const { return summary_of(checks); }
  /// The statement, headed "As a mechanism: " where only synthetic tasks bear it out.
  std::string statement() const;
};

/// By paired tests alone. `comparisons` belong to the panels one to one.
std::vector<NammClaimOutcome> check_namm_claims(
    const NammResults& results, const NammClaims& claims,
    const std::vector<std::vector<NammComparison>>& comparisons);

}  // namespace lethe::reports
