// SPDX-License-Identifier: Apache-2.0
// tova: the token with the lowest attention weight of the newest query leaves.
//
// TOVA, arXiv 2401.06104, §4, Eq. 9, Algorithm 1. After the attention of token t,
//   score[j] = mean over query heads of softmax weight A_h[t, j],   victim = argmin_j score[j].
// scope=layer (the method): mean over all query heads, one victim for the whole layer. scope=head
// (App. A "TOVA-head"): mean over the query heads of each KV head, a victim per KV head. sinks=i:
// "TOVA-layer+i", App. A. The newest token is a candidate like any other; no history is kept.
// keep_current=true: it never leaves, all others are judged as before. That is kvpress' TOVAPress
// (0.5.5), which gives the newest token a score above all; its default, false, is the paper's.
// Grouped queries: as the authors' code, every query head counts once (the paper does not say).
// Ties go to the oldest token (the paper leaves them open); scores are summed in float32.
#include "policies/tova.h"

#include "policies/lowest.h"
#include "policies/options.h"

namespace lethe::policies {
namespace {

const std::vector<std::string> kYesNo = {"true", "false"};

class Tova final : public EvictionPolicy {
 public:
  explicit Tova(bool keep_current) : keep_current_(keep_current) {}

  void select(const CacheView& view, std::size_t budget, EvictionPlan& plan) override {
    for (std::size_t h = 0; h < view.heads.size(); ++h) {
      const HeadCache& cache = view.heads[h];
      const std::size_t cached = cache.positions.size();
      if (cached <= budget) continue;
      scores_.resize(cached);
      cache.attention.mean_over_heads(cache.attention.rows() - 1, scores_);
      const auto candidates = std::span<const double>(scores_).first(cached - keep_current_);
      plan.margin[h] = pick_lowest(candidates, cached - budget, plan.victims[h]);
    }
  }

 private:
  std::size_t keep_current_;  // how many of the newest are no candidates: one or none
  std::vector<double> scores_;
};

}  // namespace

void register_tova(Registry& registry) {
  registry.add(
      {"tova",
       "the token the newest query attends to least leaves",
       "TOVA §4, Eq. 9, Alg. 1",
       {kScopeHelp, kSinksHelp,
        "keep_current=true|false: the newest token never leaves (kvpress' TOVAPress)"}},
      [](const Spec& spec) {
        PolicyPlan plan = plan_with_common_options(spec, Scope::kLayer, {"keep_current"});
        const std::string keep = spec.choice("keep_current", "false", kYesNo, ErrorKind::kPolicy);
        add_option(plan, "keep_current", keep, "false");
        plan.traits.reads_attention = true;
        plan.traits.last_rows = 1;
        plan.make = [keep](const LayerContext&) { return std::make_unique<Tova>(keep == "true"); };
        return plan;
      });
  registry.add_alias("tova-layer", "tova");
  registry.add_alias("tova-head", "tova:scope=head");
}

}  // namespace lethe::policies
