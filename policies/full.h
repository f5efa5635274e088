// SPDX-License-Identifier: Apache-2.0
// Registration of the policy `full`; what it does stands in full.cpp.
#pragma once

#include "policies/registry.h"

namespace lethe::policies {

void register_full(Registry& registry);

}  // namespace lethe::policies
