// SPDX-License-Identifier: Apache-2.0
// Sixteen-lane vectors for the host kernels. The lanes are fixed by the source, not by the CPU, so
// every instruction set adds in the same order and gives the same bits.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

namespace lethe::models::lanes {

inline constexpr std::size_t kWidth = 16;

/// The next multiple of the lane count: attention rows are whole vectors.
constexpr std::int64_t round_up(std::int64_t n) {
  constexpr auto kLanes = static_cast<std::int64_t>(kWidth);
  return (n + kLanes - 1) / kLanes * kLanes;
}

template <typename T>
struct Types;
template <>
struct Types<float> {
  typedef float Vector __attribute__((vector_size(64)));
  typedef std::int32_t Mask __attribute__((vector_size(64)));
};
template <>
struct Types<double> {
  typedef double Vector __attribute__((vector_size(128)));
  typedef std::int64_t Mask __attribute__((vector_size(128)));
};
template <typename T>
using Vector = typename Types<T>::Vector;
template <typename T>
using Mask = typename Types<T>::Mask;

#define LETHE_INLINE inline __attribute__((always_inline))

template <typename T>
LETHE_INLINE void load(Vector<T>& v, const T* p) {
  std::memcpy(&v, p, sizeof v);
}
template <typename T>
LETHE_INLINE void store(T* p, const Vector<T>& v) {
  std::memcpy(p, &v, sizeof v);
}

/// Lane sum in a fixed tree order.
template <typename T>
LETHE_INLINE T sum(const Vector<T>& v) {
  T s[kWidth];
  std::memcpy(s, &v, sizeof v);
  for (std::size_t width = kWidth / 2; width > 0; width /= 2) {
    for (std::size_t i = 0; i < width; ++i) s[i] += s[i + width];
  }
  return s[0];
}

template <typename T>
LETHE_INLINE T max(const Vector<T>& v) {
  T best = v[0];
  for (std::size_t i = 1; i < kWidth; ++i) best = v[i] > best ? v[i] : best;
  return best;
}

/// x := exp(x) for x <= 88, to about one unit in the last place; below -87.3 the result is 0.
/// Cody-Waite reduction and the degree-5 polynomial of Cephes' expf (accurate enough that near ties
/// between attention weights are decided as by libm in all but one in a million rows).
LETHE_INLINE void exp_in_place(Vector<float>& x) {
  using V = Vector<float>;
  using I = Mask<float>;
  const I underflow = x < -87.3F;
  const V clamped = underflow ? V{} - 87.3F : x;
  // Adding 1.5 * 2^23 rounds to the nearest integer and leaves it in the low mantissa bits.
  const V shifted = clamped * 1.44269504088896341F + 12582912.0F;
  const V n = shifted - 12582912.0F;
  V r = clamped - n * 0.693359375F;
  r = r - n * -2.12194440e-4F;
  V p = r * 1.9875691500e-4F + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * (r * r) + r + 1.0F;
  I bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  bits = (bits - 0x4B400000 + 127) << 23;
  V scale;
  std::memcpy(&scale, &bits, sizeof scale);
  x = underflow ? V{} : p * scale;
}

/// float64 is the proof path: libm, lane by lane.
LETHE_INLINE void exp_in_place(Vector<double>& x) {
  for (std::size_t i = 0; i < kWidth; ++i) x[i] = std::exp(x[i]);
}

}  // namespace lethe::models::lanes
