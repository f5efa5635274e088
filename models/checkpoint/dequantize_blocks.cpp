// SPDX-License-Identifier: Apache-2.0
// Formats with one scale per 32 values.
#include <bit>

#include "models/checkpoint/dequantize_formats.h"

namespace lethe::models {
namespace {

constexpr std::size_t kHalfBlock = kQuantBlock / 2;

int fifth_bit(std::uint32_t bits, std::size_t index) {
  return static_cast<int>((bits >> index) & 1U) << 4;
}

// The values of MXFP4's codes, doubled: its scale is halved in return.
constexpr float kMxfp4Values[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

// Half of the power of two that an E8M0 exponent stands for; the two smallest are subnormal.
float half_power(std::uint8_t exponent) {
  const std::uint32_t bits =
      exponent < 2 ? std::uint32_t{0x00200000} << exponent : (std::uint32_t{exponent} - 1) << 23;
  return std::bit_cast<float>(bits);
}

}  // namespace

void dequantize_q8_0(const std::byte* data, std::span<float> out) {
  for (std::size_t i = 0; i < out.size(); i += kQuantBlock, data += 34) {
    const float scale = load_half(data);
    for (std::size_t j = 0; j < kQuantBlock; ++j) {
      out[i + j] = static_cast<float>(std::to_integer<std::int8_t>(data[2 + j])) * scale;
    }
  }
}

// In the 4- and 5-bit formats the first half of a block sits in the low nibbles, the second half
// in the high ones.
void dequantize_q4_0(const std::byte* data, std::span<float> out) {
  for (std::size_t i = 0; i < out.size(); i += kQuantBlock, data += 18) {
    const float scale = load_half(data);
    for (std::size_t j = 0; j < kHalfBlock; ++j) {
      out[i + j] = static_cast<float>(low_nibble(data[2 + j]) - 8) * scale;
      out[i + j + kHalfBlock] = static_cast<float>(high_nibble(data[2 + j]) - 8) * scale;
    }
  }
}

void dequantize_q4_1(const std::byte* data, std::span<float> out) {
  for (std::size_t i = 0; i < out.size(); i += kQuantBlock, data += 20) {
    const float scale = load_half(data);
    const float minimum = load_half(data + 2);
    for (std::size_t j = 0; j < kHalfBlock; ++j) {
      out[i + j] = static_cast<float>(low_nibble(data[4 + j])) * scale + minimum;
      out[i + j + kHalfBlock] = static_cast<float>(high_nibble(data[4 + j])) * scale + minimum;
    }
  }
}

void dequantize_q5_0(const std::byte* data, std::span<float> out) {
  for (std::size_t i = 0; i < out.size(); i += kQuantBlock, data += 22) {
    const float scale = load_half(data);
    const auto high = load_little_endian<std::uint32_t>(data + 2);
    for (std::size_t j = 0; j < kHalfBlock; ++j) {
      const int first = low_nibble(data[6 + j]) | fifth_bit(high, j);
      const int second = high_nibble(data[6 + j]) | fifth_bit(high, j + kHalfBlock);
      out[i + j] = static_cast<float>(first - 16) * scale;
      out[i + j + kHalfBlock] = static_cast<float>(second - 16) * scale;
    }
  }
}

void dequantize_q5_1(const std::byte* data, std::span<float> out) {
  for (std::size_t i = 0; i < out.size(); i += kQuantBlock, data += 24) {
    const float scale = load_half(data);
    const float minimum = load_half(data + 2);
    const auto high = load_little_endian<std::uint32_t>(data + 4);
    for (std::size_t j = 0; j < kHalfBlock; ++j) {
      const int first = low_nibble(data[8 + j]) | fifth_bit(high, j);
      const int second = high_nibble(data[8 + j]) | fifth_bit(high, j + kHalfBlock);
      out[i + j] = static_cast<float>(first) * scale + minimum;
      out[i + j + kHalfBlock] = static_cast<float>(second) * scale + minimum;
    }
  }
}

void dequantize_iq4_nl(const std::byte* data, std::span<float> out) {
  for (std::size_t i = 0; i < out.size(); i += kQuantBlock, data += 18) {
    const float scale = load_half(data);
    for (std::size_t j = 0; j < kHalfBlock; ++j) {
      out[i + j] = scale * kIq4Values[low_nibble(data[2 + j])];
      out[i + j + kHalfBlock] = scale * kIq4Values[high_nibble(data[2 + j])];
    }
  }
}

void dequantize_mxfp4(const std::byte* data, std::span<float> out) {
  for (std::size_t i = 0; i < out.size(); i += kQuantBlock, data += 17) {
    const float scale = half_power(std::to_integer<std::uint8_t>(data[0]));
    for (std::size_t j = 0; j < kHalfBlock; ++j) {
      out[i + j] = scale * kMxfp4Values[low_nibble(data[1 + j])];
      out[i + j + kHalfBlock] = scale * kMxfp4Values[high_nibble(data[1 + j])];
    }
  }
}

}  // namespace lethe::models
