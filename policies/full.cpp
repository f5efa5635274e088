// SPDX-License-Identifier: Apache-2.0
// full: nothing leaves. The topline of every table and the oracle of the property tests
// (a budget no smaller than the text gives the same numbers). TOVA, arXiv 2401.06104, §5.1.
#include "policies/full.h"

namespace lethe::policies {
namespace {

class Full final : public EvictionPolicy {
 public:
  void select(const CacheView&, std::size_t, EvictionPlan&) override {}
};

}  // namespace

void register_full(Registry& registry) {
  registry.add({"full", "keep everything: the model as it is", "TOVA §5.1 (topline)", {}},
               [](const Spec& spec) {
                 spec.check_known({}, ErrorKind::kPolicy);
                 PolicyPlan plan;
                 plan.text = "full";
                 plan.traits.takes_budget = false;  // so it is never over one, and never asked
                 plan.make = [](const LayerContext&) { return std::make_unique<Full>(); };
                 return plan;
               });
}

}  // namespace lethe::policies
