// SPDX-License-Identifier: Apache-2.0
#include "policies/options.h"

namespace lethe::policies {
namespace {

const std::vector<std::string> kScopes = {"layer", "head"};
constexpr std::int64_t kMostSinks = 1 << 20;

PolicyPlan plan_from(const Spec& spec, Scope default_scope, bool has_scope, bool has_sinks,
                     const OwnOptions& own) {
  std::vector<std::string> known = own;
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

PolicyPlan plan_with_common_options(const Spec& spec, Scope default_scope, const OwnOptions& own) {
  return plan_from(spec, default_scope, true, true, own);
}

PolicyPlan plan_with_scope(const Spec& spec, Scope default_scope, const OwnOptions& own) {
  return plan_from(spec, default_scope, true, false, own);
}

PolicyPlan plan_with_sinks(const Spec& spec) {
  return plan_from(spec, Scope::kLayer, false, true, {});
}

PolicyPlan plan_without_options(const Spec& spec) {
  return plan_from(spec, Scope::kLayer, false, false, {});
}

void add_option(PolicyPlan& plan, const std::string& key, const std::string& value,
                const std::string& fallback) {
  if (value == fallback) return;
  Spec canonical = Spec::parse(plan.text, ErrorKind::kInternal);
  canonical.options.emplace_back(key, value);
  plan.text = canonical.text();
}

}  // namespace lethe::policies
