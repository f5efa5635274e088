// SPDX-License-Identifier: Apache-2.0
// Registration of the policy `pyramidkv`; what it does stands in pyramidkv.cpp.
#pragma once

#include "policies/registry.h"

namespace lethe::policies {

void register_pyramidkv(Registry& registry);

}  // namespace lethe::policies
