// SPDX-License-Identifier: Apache-2.0
#include "reports/claim_checks.h"

#include <algorithm>
#include <utility>

#include "harness/base/text.h"
#include "reports/numbers.h"

namespace lethe::reports {

Verdict verdict_of(std::span<const NamedCheck> checks) {
  const auto any = [&](Verdict wanted) {
    return std::any_of(checks.begin(), checks.end(),
                       [&](const NamedCheck& check) { return check.verdict == wanted; });
  };
  if (any(Verdict::kNotReproduced)) return Verdict::kNotReproduced;
  return any(Verdict::kReproduced) ? Verdict::kReproduced : Verdict::kNotComparable;
}

std::string summary_of(std::span<const NamedCheck> checks) {
  const auto with = [](const NamedCheck& check) {
    return check.what.empty() ? check.numbers : check.what + ": " + check.numbers;
  };
  if (checks.size() == 1) return with(checks.front());
  std::size_t made = 0;
  std::size_t held = 0;
  const NamedCheck* first = nullptr;
  const NamedCheck* failing = nullptr;
  for (const NamedCheck& check : checks) {
    if (check.verdict == Verdict::kNotComparable) continue;
    ++made;
    if (!first) first = &check;
    held += check.verdict == Verdict::kReproduced;
    if (!failing && check.verdict == Verdict::kNotReproduced) failing = &check;
  }
  if (made == 0) {
    return with(checks.front()) + "; and " + counted(checks.size() - 1, "more check") + " like it";
  }
  std::string text = "holds in " + std::to_string(held) + " of " + counted(made, "check");
  text += failing ? "; not for " + with(*failing) : "; first " + with(*first);
  if (made < checks.size()) {
    text += "; " + std::to_string(checks.size() - made) + " could not be made";
  }
  return text;
}

ToldClaims tell_claims(std::span<const ToldClaim> claims) {
  ToldClaims told;
  told.checks.caption = "How the claims were checked";
  told.checks.columns = {{"claim"}, {"of"}, {"numbers"}, {"verdict"}};
  for (const ToldClaim& claim : claims) {
    const Verdict overall = verdict_of(claim.checks);
    const std::string verdict(to_string(overall)), summary = summary_of(claim.checks);
    told.verdicts.items.push_back(
        {verdict, tone_of(overall), claim.statement, summary + ". " + claim.source});
    told.lines.push_back(verdict + ": " + claim.statement + " (" + summary + ")");
    for (const NamedCheck& check : claim.checks) {
      told.checks.add_row(std::vector<TableCell>{
          {claim.id},
          {check.what},
          {check.numbers},
          {.text = std::string(to_string(check.verdict)), .tone = tone_of(check.verdict)}});
    }
  }
  return told;
}

}  // namespace lethe::reports
