// SPDX-License-Identifier: Apache-2.0
// Options that several policies share: scope=layer|head and sinks=i.
#pragma once

#include "policies/registry.h"

namespace lethe::policies {

inline constexpr const char* kScopeHelp =
    "scope=layer|head: one victim for the whole layer, or one per KV head";
inline constexpr const char* kSinksHelp =
    "sinks=i: the first i positions never leave; they count inside the budget";

/// Plans with `text` and `traits` filled from the options named; other options are an
/// Error(kPolicy). Defaults are left out of the canonical text.
PolicyPlan plan_with_common_options(const Spec& spec, Scope default_scope);  // scope, sinks
PolicyPlan plan_with_scope(const Spec& spec, Scope default_scope);
PolicyPlan plan_with_sinks(const Spec& spec);

}  // namespace lethe::policies
