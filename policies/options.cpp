// SPDX-License-Identifier: Apache-2.0
#include "policies/options.h"

namespace lethe::policies {
namespace {

const std::vector<std::string> kScopes = {"layer", "head"};
constexpr std::int64_t kMostSinks = 1 << 20;

PolicyPlan plan_from(const Spec& spec, Scope default_scope, bool has_scope, bool has_sinks) {
  std::vector<std::string> known;
  if (has_scope) known.push_back("scope");
  if (has_sinks) known.push_back("sinks");
  spec.check_known(known, ErrorKind::kPolicy);
  PolicyPlan plan;
  plan.traits.scope = default_scope;
  Spec canonical{spec.name, {}};
  if (has_scope) {
    const std::string fallback = default_scope == Scope::kLayer ? "layer" : "head";
    const std::string scope = spec.choice("scope", fallback, kScopes, ErrorKind::kPolicy);
    plan.traits.scope = scope == "layer" ? Scope::kLayer : Scope::kKvHead;
    if (scope != fallback) canonical.options.emplace_back("scope", scope);
  }
  if (has_sinks) {
    plan.traits.pinned = spec.integer("sinks", 0, 0, kMostSinks, ErrorKind::kPolicy);
    if (plan.traits.pinned > 0) {
      canonical.options.emplace_back("sinks", std::to_string(plan.traits.pinned));
    }
  }
  plan.text = canonical.text();
  return plan;
}

}  // namespace

PolicyPlan plan_with_common_options(const Spec& spec, Scope default_scope) {
  return plan_from(spec, default_scope, true, true);
}

PolicyPlan plan_with_scope(const Spec& spec, Scope default_scope) {
  return plan_from(spec, default_scope, true, false);
}

PolicyPlan plan_with_sinks(const Spec& spec) {
  return plan_from(spec, Scope::kLayer, false, true);
}

}  // namespace lethe::policies
