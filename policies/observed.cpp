// SPDX-License-Identifier: Apache-2.0
// observed: the token with the least attention per query that could see it leaves.
//
// ObservedAttentionPress of kvpress 0.5.5 (no paper; related to H2O, arXiv 2306.14048):
//   score[j] = 1/n_j · sum over queries t ≥ j of (mean over query heads of A_h[t, j]),
// n_j the number of those queries, the token's own included; the victim is argmin_j score[j]. The
// division takes away the advantage of age that H2O's plain sum gives; there is no recent window.
// Queries come one a token, so n_j = newest position − j + 1 and only the sums need a memory.
// scope=head (default, as kvpress): over the query heads of each KV head; scope=layer: over all.
// Under prefill-only this is kvpress' form; under the other schedules a token is judged by the
// queries it has met, whose rows went over the cache of their time. Ties go to the oldest.
#include "policies/observed.h"

#include "policies/attention_sums.h"
#include "policies/lowest.h"
#include "policies/options.h"

namespace lethe::policies {
namespace {

class Observed final : public EvictionPolicy {
 public:
  void observe(const CacheView& view) override { accumulated_.observe(view); }

  void select(const CacheView& view, std::size_t budget, EvictionPlan& plan) override {
    for (std::size_t h = 0; h < view.heads.size(); ++h) {
      const auto& positions = view.heads[h].positions;
      if (positions.size() <= budget) continue;
      const auto sums = accumulated_.of(h);
      scores_.resize(positions.size());
      for (std::size_t i = 0; i < scores_.size(); ++i) {
        scores_[i] = sums[i] / static_cast<double>(view.step - positions[i] + 1);
      }
      plan.margin[h] = pick_lowest(scores_, scores_.size() - budget, plan.victims[h]);
    }
  }

  void applied(const EvictionPlan& plan) override { accumulated_.applied(plan); }

  void save(StateWriter& out, const std::string& prefix) const override {
    accumulated_.save(out, prefix);
  }

  void load(const StateReader& in, const std::string& prefix) override {
    accumulated_.load(in, prefix);
  }

 private:
  AttentionSums accumulated_;
  std::vector<double> scores_;
};

}  // namespace

void register_observed(Registry& registry) {
  registry.add({"observed",
                "the token with the least mean attention so far leaves; no recent window",
                "kvpress ObservedAttentionPress; after H2O 2306.14048",
                {kScopeHelp}},
               [](const Spec& spec) {
                 PolicyPlan plan = plan_with_scope(spec, Scope::kKvHead);
                 plan.traits.reads_attention = true;
                 plan.make = [](const LayerContext&) { return std::make_unique<Observed>(); };
                 return plan;
               });
}

}  // namespace lethe::policies
