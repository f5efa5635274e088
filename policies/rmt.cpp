// SPDX-License-Identifier: Apache-2.0
// rmt: the memory tokens of a recurrent memory transformer (arXiv 2304.11062), a policy only in
// that it says what of the past a model keeps: `budget` vectors that the model writes itself, once
// a segment. Models with recurrent memory take it, and no other; nothing is ever evicted by choice.
#include "policies/rmt.h"

#include <array>
#include <utility>

#include "policies/options.h"

namespace lethe::policies {
namespace {

constexpr std::array<std::pair<const char*, MemoryUse>, 4> kUses = {
    {{"carried", MemoryUse::kCarried},
     {"reset", MemoryUse::kReset},
     {"shuffled", MemoryUse::kShuffled},
     {"none", MemoryUse::kNone}}};

MemoryUse use_of(const Spec& spec) {
  std::vector<std::string> names;
  for (const auto& [name, use] : kUses) names.emplace_back(name);
  const std::string chosen = spec.choice("memory", "carried", names, ErrorKind::kPolicy);
  for (const auto& [name, use] : kUses) {
    if (chosen == name) return use;
  }
  throw Error(ErrorKind::kInternal, "unknown use of memory");
}

}  // namespace

MemoryUse memory_use(const PolicyPlan& plan) {
  LETHE_ASSERT(plan.traits.recurrent, "policy " + plan.text + " is no recurrent memory");
  return use_of(Spec::parse(plan.text, ErrorKind::kPolicy));
}

void register_rmt(Registry& registry) {
  registry.add(
      {"rmt",
       "the memory tokens of a model with recurrent memory; the budget is how many it has",
       "arXiv 2304.11062, section 2",
       {"memory=carried|reset|shuffled|none: handed from segment to segment (default), begun anew, "
        "another sample's before the last segment, or left out; all but the first are controls "
        "that must fail"}},
      [](const Spec& spec) {
        spec.check_known(std::vector<std::string>{"memory"}, ErrorKind::kPolicy);
        use_of(spec);
        PolicyPlan plan;
        plan.text = "rmt";
        add_option(plan, "memory", spec.find("memory") ? *spec.find("memory") : "carried",
                   "carried");
        plan.traits.recurrent = true;
        plan.traits.exact_only = true;
        plan.make = [](const LayerContext&) -> std::unique_ptr<EvictionPolicy> {
          throw Error(
              ErrorKind::kPolicy,
              "policy 'rmt' is the memory of a model that was trained with it (`lethe train "
              "rmt`), found a model with a cache; choose another policy");
        };
        return plan;
      });
}

}  // namespace lethe::policies
