// SPDX-License-Identifier: Apache-2.0
// A verdict that stands on several comparisons: how they make one, and how a page tells it.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "reports/claims.h"
#include "reports/document.h"
#include "reports/table.h"

namespace lethe::reports {

/// One comparison behind a verdict.
struct NamedCheck {
  std::string what;  ///< condition, model, length, method; empty where there is nothing to name
  std::string numbers;
  Verdict verdict = Verdict::kNotComparable;
  bool mechanism = false;  ///< of a synthetic task
};

/// Not reproduced when any check fails, not comparable when none could be made.
Verdict verdict_of(std::span<const NamedCheck> checks);

/// "holds in 5 of 6 checks; not for …", or the numbers of the only one. `checks`: at least one.
std::string summary_of(std::span<const NamedCheck> checks);

/// A claim as a page tells it.
struct ToldClaim {
  std::string id, statement, source;
  std::span<const NamedCheck> checks;
};

/// The list of verdicts, the table of every check behind them, and a line each for the terminal.
struct ToldClaims {
  Verdicts verdicts;
  Table checks;
  std::vector<std::string> lines;
};
ToldClaims tell_claims(std::span<const ToldClaim> claims);

}  // namespace lethe::reports
