// SPDX-License-Identifier: Apache-2.0
// The block formats of ggml, one function each. Every one takes whole blocks and writes float32 in
// the order of operations of ggml, so that the bits agree.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "models/checkpoint/dequantize.h"

namespace lethe::models {

inline constexpr std::size_t kQuantBlock = 32;   ///< values that share one scale
inline constexpr std::size_t kSuperBlock = 256;  ///< values of a block with scales of its own parts

inline float load_half(const std::byte* bytes) {
  return half_to_float(load_little_endian<std::uint16_t>(bytes));
}

/// `bits` (at most 7) bits of a byte, from bit `shift` on.
inline int bits_of(std::byte value, std::size_t shift, unsigned bits) {
  return static_cast<int>((std::to_integer<unsigned>(value) >> shift) & ((1U << bits) - 1U));
}
inline int low_nibble(std::byte value) {
  return bits_of(value, 0, 4);
}
inline int high_nibble(std::byte value) {
  return bits_of(value, 4, 4);
}

// Blocks of 32 values.
void dequantize_q4_0(const std::byte* data, std::span<float> out);
void dequantize_q4_1(const std::byte* data, std::span<float> out);
void dequantize_q5_0(const std::byte* data, std::span<float> out);
void dequantize_q5_1(const std::byte* data, std::span<float> out);
void dequantize_q8_0(const std::byte* data, std::span<float> out);
void dequantize_iq4_nl(const std::byte* data, std::span<float> out);
void dequantize_mxfp4(const std::byte* data, std::span<float> out);

// Blocks of 256 values.
void dequantize_q2_k(const std::byte* data, std::span<float> out);
void dequantize_q3_k(const std::byte* data, std::span<float> out);
void dequantize_q4_k(const std::byte* data, std::span<float> out);
void dequantize_q5_k(const std::byte* data, std::span<float> out);
void dequantize_q6_k(const std::byte* data, std::span<float> out);
void dequantize_iq4_xs(const std::byte* data, std::span<float> out);
void dequantize_tq1_0(const std::byte* data, std::span<float> out);
void dequantize_tq2_0(const std::byte* data, std::span<float> out);

/// Values that the codes of IQ4_NL and IQ4_XS stand for.
inline constexpr float kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                         1,    13,   25,  38,  53,  69,  89,  113};

}  // namespace lethe::models
