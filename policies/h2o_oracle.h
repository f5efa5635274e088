// SPDX-License-Identifier: Apache-2.0
// Registration of the policy `h2o-oracle`; what it does stands in h2o_oracle.cpp.
#pragma once

#include "policies/registry.h"

namespace lethe::policies {

void register_h2o_oracle(Registry& registry);

}  // namespace lethe::policies
