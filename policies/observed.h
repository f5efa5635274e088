// SPDX-License-Identifier: Apache-2.0
// Registration of the policy `observed`; what it does stands in observed.cpp.
#pragma once

#include "policies/registry.h"

namespace lethe::policies {

void register_observed(Registry& registry);

}  // namespace lethe::policies
