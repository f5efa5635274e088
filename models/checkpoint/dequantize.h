// SPDX-License-Identifier: Apache-2.0
// The number formats of checkpoints and their conversion to float32.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace lethe::models {

static_assert(std::endian::native == std::endian::little,
              "checkpoints are little-endian and read in place");

/// One unaligned little-endian value.
template <typename T>
T load_little_endian(const std::byte* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

/// IEEE binary16 to float32, exact (subnormals, infinities and NaN included).
float half_to_float(std::uint16_t bits);

/// bfloat16 to float32, exact.
inline float bfloat16_to_float(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

/// A ggml storage format that can be read: `block_bytes` bytes hold `block_values` values.
struct GgmlFormat {
  std::uint32_t id;
  std::string_view name;
  std::size_t block_values;
  std::size_t block_bytes;
  void (*dequantize)(const std::byte* blocks, std::span<float> out);
};

/// The format with this ggml id, or nullptr when it cannot be read.
const GgmlFormat* find_ggml_format(std::uint32_t id);

/// "Q4_K", or "type 77" for an id ggml does not have either.
std::string ggml_type_name(std::uint32_t id);

/// "F32, F16, …": the formats that can be read, for messages.
std::string supported_ggml_formats();

/// Throws Error(kModel) for the first NaN or infinity, naming checkpoint, tensor and index.
void require_finite(std::span<const float> values, std::string_view checkpoint,
                    std::string_view tensor);

}  // namespace lethe::models
