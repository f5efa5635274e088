// SPDX-License-Identifier: Apache-2.0
// The binary layout of GGUF: headers, values and tensor entries, each checked against the file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/checkpoint/gguf.h"

namespace lethe::models::detail {

/// Value types of GGUF metadata, as numbered by the format.
enum class GgufType : std::uint32_t {
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
};

/// Bytes of a scalar of this type; 0 for strings, arrays and unknown ids.
std::size_t gguf_scalar_bytes(std::uint32_t type);
/// "uint32", "string", … for messages.
std::string gguf_type_name(std::uint32_t type);

/// Everything a GGUF file says about itself. Spans point into the bytes it was parsed from.
struct GgufContents {
  std::uint32_t version = 0;
  std::map<std::string, GgufValue, std::less<>> metadata;
  std::vector<GgufTensor> tensors;
};

/// Parses the whole file. `where` names it in errors. Throws Error(kModel).
GgufContents parse_gguf(std::span<const std::byte> bytes, std::string_view where);

/// A cursor that never leaves its bytes.
class ByteCursor {
 public:
  ByteCursor(std::span<const std::byte> bytes, std::string_view where)
      : bytes_(bytes), where_(where) {}

  std::size_t position() const { return position_; }
  std::size_t remaining() const { return bytes_.size() - position_; }
  /// The next `count` bytes; throws Error(kModel) naming `what` when the file ends before.
  std::span<const std::byte> take(std::uint64_t count, std::string_view what);
  template <typename T>
  T value(std::string_view what);
  /// A 64-bit length and as many bytes.
  std::string_view text(std::string_view what);
  /// A count of things that take at least `minimum_bytes` each: refused when the rest of the file
  /// cannot hold them, so that no loop or allocation follows a claimed number.
  std::uint64_t count(std::uint64_t minimum_bytes, std::string_view what);
  [[noreturn]] void fail(const std::string& message) const;

 private:
  std::span<const std::byte> bytes_;
  std::string_view where_;
  std::size_t position_ = 0;
};

}  // namespace lethe::models::detail
