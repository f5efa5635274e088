// SPDX-License-Identifier: Apache-2.0
// Members of recipes that have bounds.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "harness/base/json.h"

namespace lethe::training {

/// The integer `name`, or `fallback`. Throws Error(kConfig) when it is less than `least`.
std::int64_t at_least(ObjectReader& reader, const char* name, std::int64_t fallback,
                      std::int64_t least);

/// The number `name`, or `fallback`. Throws Error(kConfig) unless it is in [least, most].
double within(ObjectReader& reader, const char* name, double fallback, double least, double most);

/// Stages are told apart by name: in random draws, and as folders of checkpoints. Throws
/// Error(kConfig) that begins with `where` for a name that is no folder's, or comes again.
void check_stage_names(const std::vector<std::string>& names, const std::string& where);

}  // namespace lethe::training
