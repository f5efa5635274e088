// SPDX-License-Identifier: Apache-2.0
// Claims of the NAMM paper against panels, by paired tests.
#include <algorithm>

#include "harness/base/names.h"
#include "harness/base/text.h"
#include "reports/namm_claims.h"
#include "reports/numbers.h"

namespace lethe::reports {
namespace {

class Checker {
 public:
  Checker(const NammResults& results, const NammClaims& claims,
          const std::vector<std::vector<NammComparison>>& comparisons)
      : results_(results), claims_(claims), comparisons_(comparisons) {}

  NammClaimOutcome check(const NammClaim& claim) const {
    NammClaimOutcome outcome{claim, {}};
    for (std::size_t i = 0; i < results_.panels.size(); ++i) {
      const NammPanel& panel = results_.panels[i];
      for (std::size_t method = 0; method < panel.methods.size(); ++method) {
        if (panel.methods[method].namm()) add(outcome, i, method);
      }
    }
    if (outcome.checks.empty()) {
      outcome.checks.push_back({.what = "",
                                .numbers = claim.kind == NammClaimKind::kSmaller
                                               ? "no cell of LongBench"
                                               : "no cell of NAMM"});
    }
    return outcome;
  }

 private:
  void add(NammClaimOutcome& outcome, std::size_t index, std::size_t method) const {
    const NammPanel& panel = results_.panels[index];
    const auto own = measure(panel, panel.methods[method]);
    const auto say = [&](std::string numbers, Verdict verdict = Verdict::kNotComparable,
                         const std::string& other = "") {
      outcome.checks.push_back({claims_.place(panel) + ", " +
                                    claims_.whole_label(panel.methods[method]) +
                                    (other.empty() ? "" : " against " + other),
                                std::move(numbers), verdict, claims_.synthetic(panel)});
    };
    const NammClaim& claim = outcome.claim;
    if (claim.kind == NammClaimKind::kSmaller && !claims_.of_benchmark(panel)) return;
    if (!own) return say("NAMM has no number");
    switch (claim.kind) {
      case NammClaimKind::kBeats:
        return beats(claim, index, method, say);
      case NammClaimKind::kRises:
        return rises(claim, index, method, say);
      case NammClaimKind::kKeeps:
        return keeps(index, method, say);
      case NammClaimKind::kSmaller:
        return smaller(claim, panel, panel.methods[method], *own, say);
    }
  }

  template <typename Say>
  void beats(const NammClaim& claim, std::size_t index, std::size_t method, const Say& say) const {
    const NammPanel& panel = results_.panels[index];
    bool any = false;
    std::vector<std::string> unequal;
    for (const NammComparison& one : comparisons_[index]) {
      const NammMethod& other = panel.methods[one.other];
      if (one.namm != method || other.name != claim.other) continue;
      if (!one.memory.equal()) {
        unequal.push_back(claims_.whole_label(other) + ": " + one.memory.text());
        continue;
      }
      any = true;
      better(panel, one, say);
    }
    if (any) return;
    say(unequal.empty()
            ? "no number of " + policy_label(claims_.policies, claim.other) + " on the same prompts"
            : "no equal memory; " + join(unequal, "; "));
  }

  template <typename Say>
  void rises(const NammClaim& claim, std::size_t index, std::size_t method, const Say& say) const {
    const NammPanel& panel = results_.panels[index];
    const NammMethod& own = panel.methods[method];
    if (!own.budget) {
      return say("no cap: a start whose scores tie is no policy of this database");
    }
    for (const NammComparison& one : comparisons_[index]) {
      const NammMethod& other = panel.methods[one.other];
      if (one.namm == method && other.policy == claim.other && other.budget == own.budget &&
          other.schedule == own.schedule) {
        return better(panel, one, say);
      }
    }
    say("no number of " + policy_label(claims_.policies, claim.other) + " " +
        with_thousands(*own.budget) + ", " + own.schedule + " on the same prompts");
  }

  /// The verdict of "NAMM is better": by the corrected test, never by the means.
  template <typename Say>
  void better(const NammPanel& panel, const NammComparison& one, const Say& say) const {
    const std::string other = claims_.whole_label(panel.methods[one.other]);
    if (one.gain.clusters < 2) {
      return say(numbers_of(panel, one) + ": one document says nothing of others",
                 Verdict::kNotComparable, other);
    }
    const bool shown = one.p_holm <= claims_.alpha;
    const bool holds = shown && one.gain.mean > 0;
    std::string text = numbers_of(panel, one) + "; " + one.memory.text();
    if (!holds) text += shown ? ": NAMM is worse" : ": no difference is shown";
    say(std::move(text), verdict_of(holds), other);
  }

  template <typename Say>
  void keeps(std::size_t index, std::size_t method, const Say& say) const {
    const NammPanel& panel = results_.panels[index];
    const auto full = panel.full();
    const auto& all = comparisons_[index];
    const auto at = std::find_if(all.begin(), all.end(), [&](const NammComparison& one) {
      return one.namm == method && full && one.other == *full;
    });
    const auto ratio = normalised(panel, measure(panel, panel.methods[method]), claims_.least_base);
    if (!ratio.value) return say(ratio.missing);
    if (at == all.end()) return say("no sample shared with the full cache");
    const std::string text =
        "normalised ×" + fixed(*ratio.value, 3) + "; " + numbers_of(panel, *at);
    const auto ends = at->ends();
    if (!ends) return say(text + ": one document says nothing of others");
    // To be as good is to have no loss within the interval: a wide one proves nothing.
    const bool holds = ends->low >= 0;
    say(text + (holds            ? ""
                : ends->high < 0 ? ": below the full cache"
                                 : ": a loss is not ruled out"),
        verdict_of(holds));
  }

  template <typename Say>
  void smaller(const NammClaim& claim, const NammPanel& panel, const NammMethod& method,
               const NammMeasured& own, const Say& say) const {
    const auto full = panel.full();
    const auto top = full ? measure(panel, panel.methods[*full]) : std::nullopt;
    if (!own.cache || !top || !top->cache || top->cache->mean <= 0) {
      return say("the memory of NAMM or of the full cache is not known");
    }
    const double share = own.cache->mean / top->cache->mean;
    std::string text = "here a mean of " + percent(share) + " of the full cache's mean";
    if (method.budget) text += ", which its cap of " + with_thousands(*method.budget) + " sets";
    const auto& models = claims_.paper_models;
    if (std::find(models.begin(), models.end(), panel.settings.model) == models.end()) {
      return say(text + "; not the paper's model, " + claims_.aggregate.model);
    }
    if (method.budget) return say(text);
    say(std::move(text), verdict_of(share <= claim.share));
  }

  /// "NAMM better by +3.12 points [0.4, 5.8], p = 0.012 (Holm 0.036), 64 documents".
  std::string numbers_of(const NammPanel& panel, const NammComparison& one) const {
    const int digits = panel.text ? 4 : 2;
    std::string text = "NAMM better by " + signed_fixed(one.gain.mean, digits) + " " + panel.unit();
    if (const auto ends = one.ends()) {
      text += " [" + fixed(ends->low, digits) + ", " + fixed(ends->high, digits) + "]";
    }
    text += ", p = " + p_text(one.test.p_two_sided) + " (Holm " + p_text(one.p_holm) + "), " +
            counted(one.gain.clusters, "document");
    const auto runs = measure(panel, panel.methods[one.namm])->runs;
    if (runs < claims_.seeds) {
      text += ", " + counted(runs, "seed") + " of NAMM (fewer than " +
              std::to_string(claims_.seeds) + ")";
    }
    if (one.partial) text += ", not all samples are there yet";
    return text;
  }

  const NammResults& results_;
  const NammClaims& claims_;
  const std::vector<std::vector<NammComparison>>& comparisons_;
};

}  // namespace

std::vector<NammClaimOutcome> check_namm_claims(
    const NammResults& results, const NammClaims& claims,
    const std::vector<std::vector<NammComparison>>& comparisons) {
  const Checker checker(results, claims, comparisons);
  std::vector<NammClaimOutcome> outcomes;
  for (const NammClaim& claim : claims.claims) outcomes.push_back(checker.check(claim));
  return outcomes;
}

}  // namespace lethe::reports
