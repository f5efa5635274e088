// SPDX-License-Identifier: Apache-2.0
// A policy behind a C table, as the engine asks for it.
#pragma once

#include <memory>
#include <string>

#include "policies/plugin/lethe_policy.h"
#include "policies/registry.h"

namespace lethe::policies {

/// The plan of a specification. `table` is a checked one and lives for ever. Throws Error(kPolicy)
/// for options that the plugin refuses, and for traits that no policy can have.
PolicyPlan plugin_plan(const lethe_policy_plugin& table, const std::string& sha256,
                       const Spec& spec);

}  // namespace lethe::policies
