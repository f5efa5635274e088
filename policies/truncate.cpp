// SPDX-License-Identifier: Apache-2.0
// truncate: the whole cache is dropped after every k tokens, so that the text falls into chunks of
// k tokens, each with a fresh context. "Baseline" of TOVA, arXiv 2401.06104, §6.1: the same model
// with a context of k instead of a policy. The paper does not say how it cuts the books.
//
// After token `step` all cached tokens leave if (step + 1) mod k = 0. The states of a chunk come
// from its own tokens in every layer, since all layers drop at once. Positions go on counting: RoPE
// depends on distances only, so a chunk sees what it would see at the beginning of a text. (Models
// with learned absolute positions differ from a run per chunk.)
// What is scored: row i of a chunk (from 0) predicts token i + 1 from i + 1 tokens of context, and
// the last row, which attends to all k, the first token of the next chunk. A run per chunk would
// leave that token out; here every token but the text's first is scored, and pairs with the same
// token under the other policies. Contexts are from 1 to k tokens, (k + 1)/2 on average, where the
// policies at the same budget attend to k + 1.
// One victim list for the layer; heads play no part; no margin.
#include "policies/truncate.h"

#include <limits>
#include <numeric>

#include "policies/options.h"

namespace lethe::policies {
namespace {

class Truncate final : public EvictionPolicy {
 public:
  void select(const CacheView& view, std::size_t budget, EvictionPlan& plan) override {
    const bool drop = (view.step + 1) % static_cast<std::int64_t>(budget) == 0;
    for (std::size_t h = 0; h < view.heads.size(); ++h) {
      if (drop) {
        plan.victims[h].resize(view.heads[h].positions.size());
        std::iota(plan.victims[h].begin(), plan.victims[h].end(), std::size_t{0});
      }
      plan.margin[h] = std::numeric_limits<double>::quiet_NaN();
    }
  }
};

}  // namespace

void register_truncate(Registry& registry) {
  registry.add({"truncate",
                "fresh chunks: everything leaves after each k tokens",
                "TOVA §6.1 (Baseline)",
                {}},
               [](const Spec& spec) {
                 PolicyPlan plan = plan_without_options(spec);
                 plan.traits.fixed_size = false;
                 plan.traits.exact_only = true;
                 plan.make = [](const LayerContext&) { return std::make_unique<Truncate>(); };
                 return plan;
               });
  registry.add_alias("baseline", "truncate");
  registry.add_alias("input-truncation", "truncate");
}

}  // namespace lethe::policies
