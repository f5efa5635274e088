// SPDX-License-Identifier: Apache-2.0
// Registration of the policy `h2o`; what it does stands in h2o.cpp.
#pragma once

#include "policies/registry.h"

namespace lethe::policies {

void register_h2o(Registry& registry);

}  // namespace lethe::policies
