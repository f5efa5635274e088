// SPDX-License-Identifier: Apache-2.0
// Registration of the policy `random`; what it does stands in random.cpp.
#pragma once

#include "policies/registry.h"

namespace lethe::policies {

void register_random(Registry& registry);

}  // namespace lethe::policies
