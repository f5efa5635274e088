// SPDX-License-Identifier: Apache-2.0
#include "models/checkpoint/safetensors_writer.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "harness/base/json.h"

namespace lethe::models {

std::string safetensors_bytes(std::vector<FloatArray> arrays) {
  std::ranges::sort(arrays, {}, &FloatArray::name);
  json::object header;
  std::size_t offset = 0;
  for (const FloatArray& array : arrays) {
    const std::int64_t elements = std::accumulate(array.shape.begin(), array.shape.end(),
                                                  std::int64_t{1}, std::multiplies<>());
    LETHE_ASSERT(std::ssize(array.values) == elements, array.name + " has not the values it needs");
    const std::size_t end = offset + array.values.size_bytes();
    const bool added =
        header
            .emplace(array.name,
                     json::object{{"dtype", "F32"},
                                  {"shape", json::array(array.shape.begin(), array.shape.end())},
                                  {"data_offsets", json::array{offset, end}}})
            .second;
    LETHE_ASSERT(added, "two arrays are called " + array.name);
    offset = end;
  }
  std::string text = json::serialize(header);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::string bytes;
  bytes.reserve(8 + text.size() + offset);
  for (std::size_t i = 0; i < 8; ++i) {
    bytes += static_cast<char>(text.size() >> (8 * i) & 0xFF);
  }
  bytes += text;
  for (const FloatArray& array : arrays) {
    bytes.append(reinterpret_cast<const char*>(array.values.data()), array.values.size_bytes());
  }
  return bytes;
}

}  // namespace lethe::models
