// SPDX-License-Identifier: Apache-2.0
// Registration of the policy `window`; what it does stands in window.cpp.
#pragma once

#include "policies/registry.h"

namespace lethe::policies {

void register_window(Registry& registry);

}  // namespace lethe::policies
