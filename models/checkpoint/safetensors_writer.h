// SPDX-License-Identifier: Apache-2.0
// Writes what safetensors.h reads.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace lethe::models {

/// A float32 array of a file to be written.
struct FloatArray {
  std::string name;
  std::vector<std::int64_t> shape;  ///< row-major
  std::span<const float> values;
};

/// The bytes of a safetensors file: header padded to 8 bytes, arrays as F32, sorted by name,
/// without gaps. Throws Error(kInternal) for two of one name, and for values that do not fill their
/// shape.
std::string safetensors_bytes(std::vector<FloatArray> arrays);

}  // namespace lethe::models
