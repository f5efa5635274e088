// SPDX-License-Identifier: Apache-2.0
// rmt: see rmt.cpp.
#pragma once

#include "policies/registry.h"

namespace lethe::policies {

/// What becomes of a recurrent model's memory between segments.
enum class MemoryUse {
  kCarried,   ///< handed on, as the model was trained
  kReset,     ///< every segment begins with the initial memory: a control that must fail
  kShuffled,  ///< the last segment is given another sample's memory: a control that must fail
  kNone,      ///< no memory tokens at all: a control that must fail
};

/// Of a plan whose traits say `recurrent`.
MemoryUse memory_use(const PolicyPlan& plan);

void register_rmt(Registry& registry);

}  // namespace lethe::policies
