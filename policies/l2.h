// SPDX-License-Identifier: Apache-2.0
// Registration of the policy `l2`; what it does stands in l2.cpp.
#pragma once

#include "policies/registry.h"

namespace lethe::policies {

void register_l2(Registry& registry);

}  // namespace lethe::policies
