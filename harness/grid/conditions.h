// SPDX-License-Identifier: Apache-2.0
// Overrides and exclusions as a suite file writes them. Internal to this room.
#pragma once

#include <string>
#include <vector>

#include "harness/base/json.h"
#include "harness/grid/suite.h"

namespace lethe::grid {

/// [{"when": {axis: values}, "set": {axis: values}}]. Throws Error(kConfig): unknown members and
/// axes, empty or malformed values, a "when" that names an axis that does not come before every
/// axis "set" names.
std::vector<AxisOverride> read_overrides(const json::array& items, const std::string& where);

/// [{axis: values}]. Throws Error(kConfig): unknown axes, an entry without any, malformed values.
std::vector<Exclusion> read_exclusions(const json::array& items, const std::string& where);

}  // namespace lethe::grid
