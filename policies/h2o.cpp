// SPDX-License-Identifier: Apache-2.0
// h2o: heavy hitters and a recent window; the lightest old token leaves.
//
// H2O, arXiv 2306.14048, as TOVA runs it (arXiv 2401.06104, §5.1, footnote 7, App. A): of a budget
// k, k − floor(k/2) places go to the newest tokens and floor(k/2) to the older tokens with the
// highest attention accumulated over all steps since they were appended,
//   acc[j] += mean over query heads of A_h[t, j]   at every step t, the current one included.
// The victim is the argmin of acc outside the recent window. This is the *online* form: a token is
// judged by queries it has met, never by later ones. scope=head (default, both papers): sums per KV
// head over its query heads; scope=layer: over all query heads, one victim. Ties go to the oldest.
#include "policies/h2o.h"

#include "policies/attention_sums.h"
#include "policies/lowest.h"
#include "policies/options.h"

namespace lethe::policies {
namespace {

class H2o final : public EvictionPolicy {
 public:
  void observe(const CacheView& view) override { accumulated_.observe(view); }

  void select(const CacheView& view, std::size_t budget, EvictionPlan& plan) override {
    const std::size_t recent = budget - budget / 2;
    for (std::size_t h = 0; h < view.heads.size(); ++h) {
      const auto sums = accumulated_.of(h);
      if (sums.size() <= budget) continue;
      const auto old_tokens = sums.first(sums.size() - recent);
      plan.margin[h] = pick_lowest(old_tokens, sums.size() - budget, plan.victims[h]);
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
};

}  // namespace

void register_h2o(Registry& registry) {
  registry.add({"h2o",
                "heavy hitters by accumulated attention, and a recent half",
                "H2O 2306.14048; TOVA §5.1, App. A (online form)",
                {kScopeHelp}},
               [](const Spec& spec) {
                 PolicyPlan plan = plan_with_scope(spec, Scope::kKvHead);
                 plan.traits.reads_attention = true;
                 plan.make = [](const LayerContext&) { return std::make_unique<H2o>(); };
                 return plan;
               });
  registry.add_alias("h2o-head", "h2o");
  registry.add_alias("h2o-layer", "h2o:scope=layer");
}

}  // namespace lethe::policies
