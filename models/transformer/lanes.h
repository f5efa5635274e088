// SPDX-License-Identifier: Apache-2.0
// Sixteen-lane vectors for the host kernels. The lanes are fixed by the source, not by the CPU, so
// every instruction set adds in the same order and gives the same bits.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

namespace lethe::models::lanes {

inline constexpr std::size_t kWidth = 16;

/// The next multiple of the lane count: attention rows are whole vectors.
constexpr std::int64_t round_up(std::int64_t n) {
  constexpr auto kLanes = static_cast<std::int64_t>(kWidth);
  return (n + kLanes - 1) / kLanes * kLanes;
}

#define LETHE_INLINE inline __attribute__((always_inline))

/// Sixteen lanes as 32-byte parts: the widest vector every clone but the portable one has, so that
/// compares and selects stay single instructions (g++ 12 takes wider ones apart lane by lane).
template <typename T>
struct Vector {
  typedef T Part __attribute__((vector_size(32)));
  static constexpr std::size_t kPartLanes = 32 / sizeof(T);
  static constexpr std::size_t kParts = kWidth / kPartLanes;
  Part part[kParts];
};

/// Sixteen booleans, all bits set for true, in integers as wide as T.
template <typename T>
struct Mask {
  using Integer = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
  typedef Integer Part __attribute__((vector_size(32)));
  Part part[Vector<T>::kParts];
};

#define LETHE_EACH_PART(i) \
  _Pragma("GCC unroll 4") for (std::size_t i = 0; i < Vector<T>::kParts; ++i)

template <typename T>
LETHE_INLINE void load(Vector<T>& v, const T* p) {
  LETHE_EACH_PART(i) std::memcpy(&v.part[i], p + i * Vector<T>::kPartLanes, 32);
}
template <typename T>
LETHE_INLINE void store(T* p, const Vector<T>& v) {
  LETHE_EACH_PART(i) std::memcpy(p + i * Vector<T>::kPartLanes, &v.part[i], 32);
}
/// A bfloat16 in memory: the upper half of a float.
struct Bf16 {
  std::uint16_t bits;
};

LETHE_INLINE float widened(Bf16 value) {
  const std::uint32_t bits = std::uint32_t{value.bits} << 16;
  float out;
  std::memcpy(&out, &bits, sizeof out);
  return out;
}
LETHE_INLINE float widened(float value) {
  return value;
}
LETHE_INLINE double widened(double value) {
  return value;
}

/// Rounds to the nearest, ties to even. Finite values only: what flows between products is.
LETHE_INLINE void narrow(float value, Bf16& out) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  out.bits = static_cast<std::uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}
template <typename T>
LETHE_INLINE void narrow(T value, T& out) {
  out = value;
}

LETHE_INLINE void load(Vector<float>& v, const Bf16* p) {
  using T = float;
  typedef std::uint16_t Half __attribute__((vector_size(16)));
  typedef std::uint32_t Whole __attribute__((vector_size(32)));
  LETHE_EACH_PART(i) {
    Half half;
    std::memcpy(&half, p + i * Vector<T>::kPartLanes, sizeof half);
    const Whole bits = __builtin_convertvector(half, Whole) << 16;
    std::memcpy(&v.part[i], &bits, sizeof bits);
  }
}
LETHE_INLINE void store(Bf16* p, const Vector<float>& v) {
  using T = float;
  typedef std::uint16_t Half __attribute__((vector_size(16)));
  typedef std::uint32_t Whole __attribute__((vector_size(32)));
  LETHE_EACH_PART(i) {
    Whole bits;
    std::memcpy(&bits, &v.part[i], sizeof bits);
    bits = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
    const Half half = __builtin_convertvector(bits, Half);
    std::memcpy(p + i * Vector<T>::kPartLanes, &half, sizeof half);
  }
}
template <typename T>
LETHE_INLINE void fill(Vector<T>& v, T value) {
  LETHE_EACH_PART(i) v.part[i] = typename Vector<T>::Part{} + value;
}
template <typename T>
LETHE_INLINE void add(Vector<T>& sum, const Vector<T>& v) {
  LETHE_EACH_PART(i) sum.part[i] += v.part[i];
}
template <typename T>
LETHE_INLINE void add_square(Vector<T>& sum, const Vector<T>& v) {
  LETHE_EACH_PART(i) sum.part[i] += v.part[i] * v.part[i];
}
template <typename T>
LETHE_INLINE void subtract(Vector<T>& v, T value) {
  LETHE_EACH_PART(i) v.part[i] -= value;
}
template <typename T>
LETHE_INLINE void multiply(Vector<T>& v, T value) {
  LETHE_EACH_PART(i) v.part[i] *= value;
}
template <typename T>
LETHE_INLINE void multiply(Vector<T>& v, const Vector<T>& by) {
  LETHE_EACH_PART(i) v.part[i] *= by.part[i];
}
template <typename T>
LETHE_INLINE void raise_to(Vector<T>& best, const Vector<T>& v) {
  LETHE_EACH_PART(i) best.part[i] = v.part[i] > best.part[i] ? v.part[i] : best.part[i];
}
/// Lanes whose mask is false become `otherwise`.
template <typename T>
LETHE_INLINE void keep_where(Vector<T>& v, const Mask<T>& mask, T otherwise) {
  LETHE_EACH_PART(i) {
    v.part[i] = mask.part[i] ? v.part[i] : typename Vector<T>::Part{} + otherwise;
  }
}
/// mask[i] = first[i] <= row <= last[i].
template <typename T>
LETHE_INLINE void within(Mask<T>& mask, const std::int32_t* first, const std::int32_t* last,
                         std::int32_t row) {
  typedef std::int32_t Ints __attribute__((vector_size(4 * Vector<T>::kPartLanes)));
  LETHE_EACH_PART(i) {
    Ints low, high;
    std::memcpy(&low, first + i * Vector<T>::kPartLanes, sizeof low);
    std::memcpy(&high, last + i * Vector<T>::kPartLanes, sizeof high);
    const Ints alive = (low <= row) & (high >= row);
    mask.part[i] = __builtin_convertvector(alive, typename Mask<T>::Part);
  }
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
  T s[kWidth];
  std::memcpy(s, &v, sizeof v);
  T best = s[0];
  for (std::size_t i = 1; i < kWidth; ++i) best = s[i] > best ? s[i] : best;
  return best;
}

/// x := exp(x) for x <= 88, to about one unit in the last place; below -87.3 the result is 0.
/// Cody-Waite reduction and the degree-5 polynomial of Cephes' expf (accurate enough that near ties
/// between attention weights are decided as by libm in all but one in a million rows).
LETHE_INLINE void exp_in_place(Vector<float>& v) {
  using T = float;
  using V = Vector<float>::Part;
  using I = Mask<float>::Part;
  LETHE_EACH_PART(i) {
    const V x = v.part[i];
    const I in_range = x >= -87.3F;
    const V clamped = in_range ? x : V{} - 87.3F;
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
    v.part[i] = in_range ? p * scale : V{};
  }
}

/// float64 is the proof path: libm, lane by lane.
LETHE_INLINE void exp_in_place(Vector<double>& v) {
  using T = double;
  LETHE_EACH_PART(i) {
    for (std::size_t j = 0; j < Vector<T>::kPartLanes; ++j) v.part[i][j] = std::exp(v.part[i][j]);
  }
}

/// gate := gate * sigmoid(gate) * up, for |gate| of any size.
template <typename T>
LETHE_INLINE void silu_times(Vector<T>& gate, const Vector<T>& up) {
  Vector<T> e;
  // exp_in_place is good up to 88; silu(-88) is 0 to the last bit either way.
  LETHE_EACH_PART(i) {
    const typename Vector<T>::Part negated = -gate.part[i];
    e.part[i] = negated > T(88) ? typename Vector<T>::Part{} + T(88) : negated;
  }
  exp_in_place(e);
  LETHE_EACH_PART(i) gate.part[i] = gate.part[i] / (T(1) + e.part[i]) * up.part[i];
}

/// v := cap * tanh(v / cap), to about one unit in the last place of cap.
template <typename T>
LETHE_INLINE void soft_cap(Vector<T>& v, T cap) {
  using V = typename Vector<T>::Part;
  Vector<T> e;
  LETHE_EACH_PART(i) {
    const V twice = v.part[i] * (T(2) / cap);
    e.part[i] = twice > T(0) ? -twice : twice;
  }
  exp_in_place(e);
  LETHE_EACH_PART(i) {
    const V size = (T(1) - e.part[i]) / (T(1) + e.part[i]) * cap;
    v.part[i] = v.part[i] > T(0) ? size : -size;
  }
}

#undef LETHE_EACH_PART

}  // namespace lethe::models::lanes
