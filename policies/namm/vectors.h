// SPDX-License-Identifier: Apache-2.0
// Eight floats at once, the same on every CPU: the lanes are fixed by the source, and nothing is
// contracted, so every instruction set gives the same bits. Internal to this folder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace lethe::policies::namm {

#define LETHE_INLINE inline __attribute__((always_inline))

/// 32 bytes: the widest vector that every clone but the portable one has (harness/base/simd.h).
inline constexpr std::size_t kLanes = 8;
typedef float Vec __attribute__((vector_size(32)));
typedef std::int32_t Mask __attribute__((vector_size(32)));

constexpr std::size_t round_up(std::size_t n, std::size_t step) {
  return (n + step - 1) / step * step;
}

LETHE_INLINE void load(Vec& v, const float* p) {
  std::memcpy(&v, p, sizeof v);
}
LETHE_INLINE void store(float* p, const Vec& v) {
  std::memcpy(p, &v, sizeof v);
}

/// x := exp(x) for x <= 0, to about one unit in the last place; below -87.3 the result is 0.
/// Cody-Waite reduction and the degree-5 polynomial of Cephes' expf.
LETHE_INLINE void exp_in_place(Vec& v) {
  const Mask in_range = v >= -87.3F;
  const Vec clamped = in_range ? v : Vec{} - 87.3F;
  // Adding 1.5 * 2^23 rounds to the nearest integer and leaves it in the low mantissa bits.
  const Vec shifted = clamped * 1.44269504088896341F + 12582912.0F;
  const Vec n = shifted - 12582912.0F;
  Vec r = clamped - n * 0.693359375F;
  r = r - n * -2.12194440e-4F;
  Vec p = r * 1.9875691500e-4F + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * (r * r) + r + 1.0F;
  Mask bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  bits = (bits - 0x4B400000 + 127) << 23;
  Vec scale;
  std::memcpy(&scale, &bits, sizeof scale);
  v = in_range ? p * scale : Vec{};
}

#undef LETHE_INLINE

}  // namespace lethe::policies::namm
