// SPDX-License-Identifier: Apache-2.0
// Formats of 256 values: the K-quants, whose parts of 16 or 32 values have scales of their own,
// IQ4_XS, and the ternary TQ1_0 and TQ2_0.
#include <array>

#include "models/checkpoint/dequantize_formats.h"

namespace lethe::models {
namespace {

struct ScaleAndMin {
  int scale;
  int min;
};

// Q4_K and Q5_K pack eight scales and eight minima of 6 bits into 12 bytes: the first four of each
// whole, the last four as nibbles whose upper two bits stand above the first four.
ScaleAndMin packed_scale(const std::byte* scales, std::size_t part) {
  if (part < 4) return {bits_of(scales[part], 0, 6), bits_of(scales[part + 4], 0, 6)};
  const std::size_t j = part - 4;
  return {low_nibble(scales[8 + j]) | bits_of(scales[j], 6, 2) << 4,
          high_nibble(scales[8 + j]) | bits_of(scales[4 + j], 6, 2) << 4};
}

// Q3_K packs sixteen scales of 6 bits: lower four bits in nibbles, upper two in the last 4 bytes.
int packed_scale_q3(const std::byte* scales, std::size_t part) {
  const int low = bits_of(scales[part % 8], part / 8 * 4, 4);
  const int high = bits_of(scales[8 + part % 4], part / 4 * 2, 2);
  return (low | high << 4) - 32;
}

// Ternary digit `n` of a byte of TQ1_0, which holds a fraction of 256 in base 3: the digit moves
// into the units by a product that overflows on purpose.
int ternary_digit(std::byte value, std::size_t n) {
  constexpr std::array<unsigned, 5> kPowers = {1, 3, 9, 27, 81};
  const unsigned shifted = (std::to_integer<unsigned>(value) * kPowers[n]) & 0xffU;
  return static_cast<int>((shifted * 3) >> 8) - 1;
}

}  // namespace

// Codes of 2 bits: byte 32 * (i / 128) + i % 32 holds value i of a block in bits 2 * (i / 32 % 4).
void dequantize_q2_k(const std::byte* data, std::span<float> out) {
  for (float* to = out.data(); to != out.data() + out.size(); data += 84) {
    const float scale = load_half(data + 80);
    const float min = load_half(data + 82);
    for (std::size_t part = 0; part < 16; ++part, to += 16) {
      const std::byte* codes = data + 16 + part / 8 * 32 + part % 2 * 16;
      const float part_scale = scale * static_cast<float>(low_nibble(data[part]));
      const float part_min = min * static_cast<float>(high_nibble(data[part]));
      for (std::size_t i = 0; i < 16; ++i) {
        to[i] = part_scale * static_cast<float>(bits_of(codes[i], part / 2 % 4 * 2, 2)) - part_min;
      }
    }
  }
}

void dequantize_q3_k(const std::byte* data, std::span<float> out) {
  for (float* to = out.data(); to != out.data() + out.size(); data += 110) {
    const float scale = load_half(data + 108);
    for (std::size_t part = 0; part < 16; ++part, to += 16) {
      const std::byte* high_bits = data + part % 2 * 16;
      const std::byte* codes = data + 32 + part / 8 * 32 + part % 2 * 16;
      const float part_scale = scale * static_cast<float>(packed_scale_q3(data + 96, part));
      for (std::size_t i = 0; i < 16; ++i) {
        // A third bit that is not set takes 4 away.
        const int code =
            bits_of(codes[i], part / 2 % 4 * 2, 2) + 4 * (bits_of(high_bits[i], part / 2, 1) - 1);
        to[i] = part_scale * static_cast<float>(code);
      }
    }
  }
}

void dequantize_q4_k(const std::byte* data, std::span<float> out) {
  for (float* to = out.data(); to != out.data() + out.size(); data += 144) {
    const float scale = load_half(data);
    const float min = load_half(data + 2);
    for (std::size_t part = 0; part < 8; ++part, to += 32) {
      const std::byte* codes = data + 16 + part / 2 * 32;
      const ScaleAndMin packed = packed_scale(data + 4, part);
      const float part_scale = scale * static_cast<float>(packed.scale);
      const float part_min = min * static_cast<float>(packed.min);
      for (std::size_t i = 0; i < 32; ++i) {
        to[i] = part_scale * static_cast<float>(bits_of(codes[i], part % 2 * 4, 4)) - part_min;
      }
    }
  }
}

void dequantize_q5_k(const std::byte* data, std::span<float> out) {
  for (float* to = out.data(); to != out.data() + out.size(); data += 176) {
    const float scale = load_half(data);
    const float min = load_half(data + 2);
    for (std::size_t part = 0; part < 8; ++part, to += 32) {
      const std::byte* high_bits = data + 16;
      const std::byte* codes = data + 48 + part / 2 * 32;
      const ScaleAndMin packed = packed_scale(data + 4, part);
      const float part_scale = scale * static_cast<float>(packed.scale);
      const float part_min = min * static_cast<float>(packed.min);
      for (std::size_t i = 0; i < 32; ++i) {
        const int code = bits_of(codes[i], part % 2 * 4, 4) | bits_of(high_bits[i], part, 1) << 4;
        to[i] = part_scale * static_cast<float>(code) - part_min;
      }
    }
  }
}

void dequantize_q6_k(const std::byte* data, std::span<float> out) {
  for (float* to = out.data(); to != out.data() + out.size(); data += 210) {
    const float scale = load_half(data + 208);
    for (std::size_t part = 0; part < 16; ++part, to += 16) {
      const std::byte* codes = data + part / 8 * 64 + part % 4 * 16;
      const std::byte* high_bits = data + 128 + part / 8 * 32 + part % 2 * 16;
      const auto packed = std::to_integer<std::int8_t>(data[192 + part]);
      const float part_scale = scale * static_cast<float>(packed);
      for (std::size_t i = 0; i < 16; ++i) {
        const int code = bits_of(codes[i], part / 4 % 2 * 4, 4) |
                         bits_of(high_bits[i], part / 2 % 4 * 2, 2) << 4;
        to[i] = part_scale * static_cast<float>(code - 32);
      }
    }
  }
}

void dequantize_iq4_xs(const std::byte* data, std::span<float> out) {
  for (float* to = out.data(); to != out.data() + out.size(); data += 136) {
    const float scale = load_half(data);
    for (std::size_t part = 0; part < 8; ++part, to += 32) {
      const int packed = bits_of(data[4 + part / 2], part % 2 * 4, 4) |
                         bits_of(data[2 + part / 4], part % 4 * 2, 2) << 4;
      const float part_scale = scale * static_cast<float>(packed - 32);
      const std::byte* codes = data + 8 + part * 16;
      for (std::size_t i = 0; i < 16; ++i) {
        to[i] = part_scale * kIq4Values[low_nibble(codes[i])];
        to[i + 16] = part_scale * kIq4Values[high_nibble(codes[i])];
      }
    }
  }
}

// Digits of equal weight stand together: five runs of 32 values in 32 bytes, five of 16 in 16, and
// four of 4 in the last 4.
void dequantize_tq1_0(const std::byte* data, std::span<float> out) {
  constexpr std::size_t kBytes[] = {32, 16, 4};
  constexpr std::size_t kDigits[] = {5, 5, 4};
  float* to = out.data();
  while (to != out.data() + out.size()) {
    const float scale = load_half(data + 52);
    for (std::size_t run = 0; run < 3; data += kBytes[run++]) {
      for (std::size_t digit = 0; digit < kDigits[run]; ++digit, to += kBytes[run]) {
        for (std::size_t i = 0; i < kBytes[run]; ++i) {
          to[i] = scale * static_cast<float>(ternary_digit(data[i], digit));
        }
      }
    }
    data += 2;  // the scale
  }
}

void dequantize_tq2_0(const std::byte* data, std::span<float> out) {
  for (float* to = out.data(); to != out.data() + out.size(); data += 66) {
    const float scale = load_half(data + 64);
    for (std::size_t part = 0; part < 8; ++part, to += 32) {
      const std::byte* codes = data + part / 4 * 32;
      for (std::size_t i = 0; i < 32; ++i) {
        to[i] = scale * static_cast<float>(bits_of(codes[i], part % 4 * 2, 2) - 1);
      }
    }
  }
}

}  // namespace lethe::models
