// SPDX-License-Identifier: Apache-2.0
// The machine's name, for records and messages.
#pragma once

#include <string>

namespace lethe {

/// "unknown" where the machine does not say.
std::string host_name();

}  // namespace lethe
