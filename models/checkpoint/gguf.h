// SPDX-License-Identifier: Apache-2.0
// GGUF files (versions 2 and 3): metadata and raw tensors in the file's own names and order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/mapped_file.h"

namespace lethe::models {

/// One tensor as the file describes it.
struct GgufTensor {
  std::string name;
  std::vector<std::int64_t> ne;     ///< extents, fastest first: the reverse of a row-major shape
  std::uint32_t type = 0;           ///< ggml type id
  std::span<const std::byte> data;  ///< empty when the type cannot be read

  std::int64_t elements() const;
};

/// A metadata value, still in the file: `bytes` covers the scalar, the string's text, or the
/// elements of the array.
struct GgufValue {
  std::uint32_t type = 0;  ///< GGUF value type of the scalar or of the elements
  bool is_array = false;
  std::uint64_t count = 1;  ///< elements of an array
  std::span<const std::byte> bytes;
};

/// A GGUF file, mapped and checked: every count, length, offset and alignment is compared with the
/// size of the file before it is used. Thread-safe for reading.
class GgufFile {
 public:
  /// Throws Error(kModel) that names the file, the key or tensor, what was expected and found.
  explicit GgufFile(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  std::uint32_t version() const { return version_; }

  /// In the order of the file.
  const std::vector<GgufTensor>& tensors() const { return tensors_; }
  const GgufTensor* find_tensor(std::string_view name) const;
  /// Dequantises `tensor` into `out` (elements() floats, fastest extent first).
  /// Throws Error(kModel) when its type cannot be read.
  void read(const GgufTensor& tensor, std::span<float> out) const;

  bool has(std::string_view key) const;
  /// Typed metadata. find_*: nothing when the key is absent. Every getter throws Error(kModel) when
  /// the value has another type, and those without find_ when the key is absent.
  std::optional<std::string> find_string(std::string_view key) const;
  std::optional<std::int64_t> find_integer(std::string_view key) const;
  std::optional<double> find_number(std::string_view key) const;
  std::optional<bool> find_boolean(std::string_view key) const;
  std::string string(std::string_view key) const;
  std::int64_t integer(std::string_view key) const;
  double number(std::string_view key) const;
  /// Views into the mapped file.
  std::vector<std::string_view> strings(std::string_view key) const;
  std::vector<std::int64_t> integers(std::string_view key) const;
  std::vector<float> floats(std::string_view key) const;

 private:
  const GgufValue* find_value(std::string_view key) const;
  void expect_scalar(std::string_view key, const GgufValue& value, std::string_view expected) const;
  const GgufValue& array(std::string_view key, std::string_view expected) const;
  [[noreturn]] void missing(std::string_view key, std::string_view expected) const;
  [[noreturn]] void wrong_type(std::string_view key, std::string_view expected,
                               const GgufValue& found) const;

  std::filesystem::path path_;
  MappedFile file_;
  std::uint32_t version_ = 0;
  std::map<std::string, GgufValue, std::less<>> metadata_;
  std::vector<GgufTensor> tensors_;
  std::map<std::string, std::size_t, std::less<>> by_name_;
};

}  // namespace lethe::models
