// SPDX-License-Identifier: Apache-2.0
// Registration of the policy `snapkv`; what it does stands in snapkv.cpp.
#pragma once

#include "policies/registry.h"

namespace lethe::policies {

void register_snapkv(Registry& registry);

/// The plan that `spec` gives with the options of snapkv; pyramidkv adds budgets per layer. Throws
/// Error(kPolicy).
PolicyPlan snapkv_plan(const Spec& spec);
const std::vector<std::string>& snapkv_option_help();

}  // namespace lethe::policies
