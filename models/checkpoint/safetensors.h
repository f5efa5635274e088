// SPDX-License-Identifier: Apache-2.0
// One .safetensors file: named arrays with their shapes, read into float, double or int64.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/mapped_file.h"

namespace lethe::models {

/// One array of a safetensors file.
struct SafetensorsEntry {
  std::string dtype;                ///< "F32", "BF16", "I64", …
  std::vector<std::int64_t> shape;  ///< row-major
  std::span<const std::byte> data;

  std::int64_t elements() const;
};

/// A safetensors file, mapped and checked: the header lies inside the file, every array has exactly
/// the bytes its shape and type need, and the arrays cover the data without gap or overlap.
/// Thread-safe for reading.
class SafetensorsFile {
 public:
  /// Throws Error(kModel) that names the file, the array, what was expected and found.
  explicit SafetensorsFile(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  const std::map<std::string, SafetensorsEntry, std::less<>>& entries() const { return entries_; }
  bool has(std::string_view name) const { return entries_.find(name) != entries_.end(); }
  /// The getters throw Error(kModel) for an unknown name, with the nearest known one.
  const SafetensorsEntry& entry(std::string_view name) const;
  const std::vector<std::int64_t>& shape(std::string_view name) const;

  /// Row-major values of an array stored as F64, F32, F16 or BF16. Values are not checked to be
  /// finite. Throws Error(kModel) for any other storage type; read_f32 refuses F64, which it could
  /// only round.
  std::vector<float> read_f32(std::string_view name) const;
  std::vector<double> read_f64(std::string_view name) const;
  /// As read_f32, F64 rounded to float32, into `out` (elements() values).
  void read_rounded(std::string_view name, std::span<float> out) const;
  /// Row-major values of an array stored as I8, U8, I16, U16, I32, U32, I64 or BOOL.
  std::vector<std::int64_t> read_i64(std::string_view name) const;

 private:
  [[noreturn]] void wrong_dtype(std::string_view name, std::string_view expected,
                                std::string_view found) const;

  std::filesystem::path path_;
  MappedFile file_;
  std::map<std::string, SafetensorsEntry, std::less<>> entries_;
};

}  // namespace lethe::models
