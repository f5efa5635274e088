// SPDX-License-Identifier: Apache-2.0
#include "policies/registry.h"

#include "harness/base/names.h"
#include "policies/full.h"
#include "policies/h2o.h"
#include "policies/h2o_oracle.h"
#include "policies/l2.h"
#include "policies/namm/namm.h"
#include "policies/observed.h"
#include "policies/pyramidkv.h"
#include "policies/random.h"
#include "policies/rmt.h"
#include "policies/snapkv.h"
#include "policies/tova.h"
#include "policies/truncate.h"
#include "policies/window.h"

namespace lethe::policies {

void Registry::add(PolicyInfo info, Builder builder) {
  const std::string name = info.name;
  const bool added = entries_.emplace(name, Entry{std::move(info), std::move(builder)}).second;
  LETHE_ASSERT(added, "policy '" + name + "' is registered twice");
}

void Registry::add_alias(std::string other, std::string canonical) {
  aliases_.emplace(std::move(other), std::move(canonical));
}

void Registry::add_refusal(std::string name, std::string advice) {
  refusals_.emplace(std::move(name), std::move(advice));
}

PolicyPlan Registry::resolve(std::string_view text) const {
  Spec spec = Spec::parse(text, ErrorKind::kPolicy);
  // "name+i" is the papers' way to write sinks=i.
  if (const auto plus = spec.name.find('+'); plus != std::string::npos) {
    const std::string sinks = spec.name.substr(plus + 1);
    if (!parse_integer(sinks) || spec.find("sinks")) {
      throw Error(ErrorKind::kPolicy,
                  "policy '" + std::string(text) +
                      "': expected NAME+I with I the number of sinks, as in window+4");
    }
    spec.name.resize(plus);
    spec.options.emplace_back("sinks", sinks);
  }
  if (const auto refusal = refusals_.find(spec.name); refusal != refusals_.end()) {
    throw Error(ErrorKind::kPolicy, "policy '" + std::string(text) + "': " + refusal->second);
  }
  if (const auto alias = aliases_.find(spec.name); alias != aliases_.end()) {
    Spec target = Spec::parse(alias->second, ErrorKind::kPolicy);
    for (const auto& [key, value] : target.options) {
      if (spec.find(key)) {
        throw Error(ErrorKind::kPolicy, "policy '" + std::string(text) + "': '" + spec.name +
                                            "' already means " + alias->second + "; leave out " +
                                            key);
      }
      spec.options.emplace_back(key, value);
    }
    spec.name = target.name;
  }
  const auto entry = entries_.find(spec.name);
  if (entry == entries_.end()) {
    std::vector<std::string> known;
    for (const auto& [name, value] : entries_) known.push_back(name);
    for (const auto& [name, value] : aliases_) known.push_back(name);
    throw unknown_name(ErrorKind::kPolicy, "policy", spec.name, known);
  }
  return entry->second.builder(spec);
}

void check_budget(const PolicyPlan& policy, std::optional<std::int64_t> budget) {
  if (!policy.traits.takes_budget) {
    if (budget) {
      throw Error(
          ErrorKind::kConfig,
          "policy '" + policy.text + "' takes no budget, found budget " + std::to_string(*budget));
    }
    return;
  }
  if (!budget)
    throw Error(ErrorKind::kConfig,
                "policy '" + policy.text + "' needs a budget (tokens per layer)");
  const std::int64_t least = policy.traits.pinned + policy.traits.least_budget;
  if (*budget < least) {
    throw Error(ErrorKind::kConfig, "budget " + std::to_string(*budget) +
                                        " is too small for policy '" + policy.text +
                                        "': expected at least " + std::to_string(least) +
                                        (policy.traits.pinned ? " (sinks count inside the budget)"
                                         : least > 1          ? " tokens"
                                                              : " token"));
  }
}

std::int64_t budget_in_layer(const PolicyPlan& policy, const LayerContext& layer,
                             std::int64_t budget) {
  const std::int64_t own = policy.layer_budget ? policy.layer_budget(layer, budget) : budget;
  const std::int64_t least = policy.traits.pinned + policy.traits.least_budget;
  if (own < least) {
    throw Error(ErrorKind::kPolicy, "policy '" + policy.text + "' gives layer " +
                                        std::to_string(layer.layer) + " " + std::to_string(own) +
                                        " tokens of a budget of " + std::to_string(budget) +
                                        "; it needs " + std::to_string(least));
  }
  return own;
}

std::vector<PolicyInfo> Registry::list() const {
  std::vector<PolicyInfo> infos;
  for (const auto& [name, entry] : entries_) infos.push_back(entry.info);
  return infos;
}

bool Registry::knows(const std::string& name) const {
  return entries_.contains(name) || aliases_.contains(name) || refusals_.contains(name);
}

const Registry& known_policies() {
  return mutable_registry();
}

Registry& mutable_registry() {
  static Registry all = [] {
    Registry registry;
    register_full(registry);
    register_random(registry);
    register_window(registry);
    register_truncate(registry);
    register_h2o(registry);
    register_h2o_oracle(registry);
    register_observed(registry);
    register_tova(registry);
    register_l2(registry);
    register_snapkv(registry);
    register_pyramidkv(registry);
    register_namm(registry);
    register_rmt(registry);
    registry.add_refusal("streaming-llm",
                         "it is two axes of a cell: the policy window:sinks=4 (the first four "
                         "tokens and the newest) and the positions cache-relative (rotations by "
                         "place in the cache); give both");
    return registry;
  }();
  return all;
}

}  // namespace lethe::policies
