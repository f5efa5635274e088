// SPDX-License-Identifier: Apache-2.0
// The machine's name, kernel and memory.
#pragma once

#include <cstdint>
#include <string>

namespace lethe {

/// "unknown" where the machine does not say.
std::string host_name();

/// "Linux 6.1.0-18-amd64" (`uname -sr`); "unknown" where the machine does not say.
std::string kernel_name();

/// Memory of the machine, bytes; 0 where the kernel does not say.
std::int64_t total_bytes();

/// Memory that new work can take without swapping, bytes; 0 where the kernel does not say.
std::int64_t available_bytes();

}  // namespace lethe
