// SPDX-License-Identifier: Apache-2.0
// What a paper claims about scores of tasks, read from data/published/claims-tova-tasks.json, and
// whether a panel bears it out.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "reports/answer_data.h"
#include "reports/claims.h"

namespace lethe::reports {

/// Budgets that a claim speaks of.
enum class ClaimBudgets {
  kEvery,    ///< it holds at every budget below the length
  kSome,     ///< it holds at one of them at least
  kFraction  ///< it holds at one share of the length
};

/// Score of policy a minus that of b, in points, has a bound: one that belongs to the claim
/// (at_least), or one that does not ("more than": above, below).
struct TaskClaim {
  std::string id;
  std::vector<std::string> tasks;  ///< by name; each is checked by itself
  std::string statement;
  std::string source;
  std::string tolerance_reason;
  std::string a;
  std::string b;
  ClaimBudgets budgets = ClaimBudgets::kEvery;
  double fraction = 0;  ///< of the length
  std::optional<double> at_least;
  std::optional<double> above;
  std::optional<double> below;

  /// Whether a difference is within the bounds, but for what rounding makes of it.
  bool holds(double delta) const;
  /// ">= -1.00", "> 5.00", "< -1.00" in the signs of print.
  std::string bounds() const;
};

/// One file of schema lethe-task-claims-1.
struct TaskClaims {
  std::string paper, arxiv, model;
  std::string benchmark, schedule, positions;  ///< the protocol
  std::vector<PolicyName> policies;
  std::vector<TaskClaim> claims;
  /// Why nothing published stands beside a benchmark's scores: benchmark, note.
  std::vector<std::pair<std::string, std::string>> elsewhere;

  std::string label(std::string_view spec) const { return reports::policy_label(policies, spec); }
  /// "TOVA"; of one of several builds of a plug-in "mine (build 1a2b3c4d)".
  std::string policy_label(const AnswerColumn& column) const;
  /// "TOVA 256"; "Full cache".
  std::string label(const AnswerColumn& column) const;
  /// The note on a benchmark; "" where there is none.
  std::string note_on(std::string_view of_benchmark) const;
};

/// Throws Error(kData) that names file and member.
TaskClaims read_task_claims(const std::filesystem::path& path);

/// One comparison behind a verdict.
struct TaskClaimCheck {
  std::string task;  ///< title; "" where no task was compared
  std::optional<std::int64_t> budget;
  Verdict verdict = Verdict::kNotComparable;
  std::string numbers;  ///< what was compared, or why nothing was
  std::optional<ScoreDifference> difference;
};

struct TaskClaimOutcome {
  TaskClaim claim;
  std::vector<TaskClaimCheck> checks;  ///< at least one

  /// Every claim: not reproduced when any check fails; kSome: when all fail. Not comparable when
  /// none could be made.
  Verdict verdict() const;
  /// What stands behind the verdict in a few words: checks, sizes, documents, and whether the
  /// sample can tell the difference from none.
  std::string summary() const;
};

/// Checks of all claims; p-values are Holm's over the checks of the panel. Empty where the panel's
/// benchmark is another.
std::vector<TaskClaimOutcome> check_task_claims(const AnswerPanel& panel, const TaskClaims& claims);

}  // namespace lethe::reports
