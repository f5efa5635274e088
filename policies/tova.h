// SPDX-License-Identifier: Apache-2.0
// Registration of the policy `tova`; what it does stands in tova.cpp.
#pragma once

#include "policies/registry.h"

namespace lethe::policies {

void register_tova(Registry& registry);

}  // namespace lethe::policies
