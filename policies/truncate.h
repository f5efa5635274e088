// SPDX-License-Identifier: Apache-2.0
// Registration of the policy `truncate`; what it does stands in truncate.cpp.
#pragma once

#include "policies/registry.h"

namespace lethe::policies {

void register_truncate(Registry& registry);

}  // namespace lethe::policies
