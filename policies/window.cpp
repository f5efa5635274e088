// SPDX-License-Identifier: Apache-2.0
// window: the oldest cached token leaves (FIFO). TOVA, arXiv 2401.06104, §5.1 "Window"; with
// sinks=i the first i positions never leave and count inside the budget: "Window+i", §5.1 and
// Appendix A, the ≤ 4K form of StreamingLLM (original positions, not cache positions).
#include "policies/window.h"

#include <limits>

#include "policies/options.h"

namespace lethe::policies {
namespace {

class Window final : public EvictionPolicy {
 public:
  void select(const CacheView& view, std::size_t budget, EvictionPlan& plan) override {
    for (std::size_t h = 0; h < view.heads.size(); ++h) {
      const std::size_t cached = view.heads[h].positions.size();
      for (std::size_t i = 0; i + budget < cached; ++i) plan.victims[h].push_back(i);
      plan.margin[h] = std::numeric_limits<double>::quiet_NaN();  // an age has no margin
    }
  }
};

}  // namespace

void register_window(Registry& registry) {
  registry.add({"window",
                "the oldest token leaves; sinks=i keeps the first i for ever",
                "TOVA §5.1, App. A (Window, Window+i)",
                {kSinksHelp}},
               [](const Spec& spec) {
                 PolicyPlan plan = plan_with_sinks(spec);
                 plan.make = [](const LayerContext&) { return std::make_unique<Window>(); };
                 return plan;
               });
  registry.add_alias("recency", "window");
}

}  // namespace lethe::policies
