// SPDX-License-Identifier: Apache-2.0
// The machine's name and kernel, for records and messages.
#pragma once

#include <string>

namespace lethe {

/// "unknown" where the machine does not say.
std::string host_name();

/// "Linux 6.1.0-18-amd64" (`uname -sr`); "unknown" where the machine does not say.
std::string kernel_name();

}  // namespace lethe
