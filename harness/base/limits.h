// SPDX-License-Identifier: Apache-2.0
// Numbers that several rooms must agree on.
#pragma once

#include <cstdint>

namespace lethe {

/// Longest text for which rotary angles are formed in float32, as transformers does; beyond, the
/// float32 product drifts (0.06 rad at 2M positions) and they are formed in float64.
inline constexpr std::int64_t kLongestFloat32Angles = 32768;
constexpr bool float32_angles_hold(std::int64_t length) {
  return length <= kLongestFloat32Angles;
}

}  // namespace lethe
