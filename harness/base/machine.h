// SPDX-License-Identifier: Apache-2.0
// Facts about this machine, for provenance and benchmarks.
#pragma once

#include <cstdint>
#include <string>

namespace lethe {

/// "AMD EPYC 7763 …", as the kernel reports it; "unknown" where it does not.
std::string cpu_name();
/// Whether the CPU multiplies bfloat16 in hardware (AVX512-BF16 or AMX-BF16).
bool cpu_has_bfloat16();
/// Resident memory of this process, bytes; 0 where the kernel does not say.
std::int64_t resident_bytes();
/// Largest resident memory since the start or the last reset, bytes; 0 where the kernel does not
/// say.
std::int64_t peak_resident_bytes();
/// The largest becomes what is resident now; without effect where the kernel does not allow it.
void reset_peak_resident_bytes();

}  // namespace lethe
