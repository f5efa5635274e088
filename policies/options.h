// SPDX-License-Identifier: Apache-2.0
// Options that several policies share: scope=layer|head and sinks=i.
#pragma once

#include <string>
#include <vector>

#include "policies/registry.h"

namespace lethe::policies {

inline constexpr const char* kScopeHelp =
    "scope=layer|head: one victim for the whole layer, or one per KV head";
inline constexpr const char* kSinksHelp =
    "sinks=i: the first i positions never leave; they count inside the budget";

/// Options of the policy's own, by name.
using OwnOptions = std::vector<std::string>;

/// Plans with `text` and `traits` filled from the options named; options that are neither these nor
/// the policy's own are an Error(kPolicy). Defaults are left out of the canonical text.
PolicyPlan plan_with_common_options(const Spec& spec, Scope default_scope,
                                    const OwnOptions& own = {});  // scope, sinks
PolicyPlan plan_with_scope(const Spec& spec, Scope default_scope, const OwnOptions& own = {});
PolicyPlan plan_with_sinks(const Spec& spec);
PolicyPlan plan_without_options(const Spec& spec);

/// Puts an option of the policy's own into the canonical text, unless it has its default value.
void add_option(PolicyPlan& plan, const std::string& key, const std::string& value,
                const std::string& fallback);

}  // namespace lethe::policies
