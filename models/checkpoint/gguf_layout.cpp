// SPDX-License-Identifier: Apache-2.0
#include "models/checkpoint/gguf_layout.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <set>

#include "harness/base/error.h"
#include "models/checkpoint/dequantize.h"

namespace lethe::models::detail {
namespace {

constexpr std::uint32_t kMagic = 0x46554747;  // "GGUF"
constexpr std::uint32_t kMaxDimensions = 4;
constexpr std::uint64_t kDefaultAlignment = 32;
// Smallest possible entries: key length + type + one byte; name length + dimensions + one extent +
// type + offset.
constexpr std::uint64_t kMinMetadataBytes = 8 + 4 + 1;
constexpr std::uint64_t kMinTensorBytes = 8 + 4 + 8 + 4 + 8;

struct TypeFacts {
  std::string_view name;
  std::size_t bytes;
};

constexpr std::array<TypeFacts, 13> kTypes = {{{"uint8", 1},
                                               {"int8", 1},
                                               {"uint16", 2},
                                               {"int16", 2},
                                               {"uint32", 4},
                                               {"int32", 4},
                                               {"float32", 4},
                                               {"bool", 1},
                                               {"string", 0},
                                               {"array", 0},
                                               {"uint64", 8},
                                               {"int64", 8},
                                               {"float64", 8}}};

std::string quoted(std::string_view kind, std::string_view name) {
  // Names come from the file; a damaged one may be megabytes long or unprintable.
  constexpr std::size_t kShown = 80;
  std::string text(kind);
  text += " '";
  for (const char c : name.substr(0, kShown)) {
    const auto code = static_cast<unsigned char>(c);
    text += code < 0x20 || code >= 0x7f ? '?' : c;
  }
  text += name.size() > kShown ? "…'" : "'";
  return text;
}

GgufValue parse_value(ByteCursor& cursor, const std::string& what) {
  constexpr auto kString = static_cast<std::uint32_t>(GgufType::kString);
  constexpr auto kArray = static_cast<std::uint32_t>(GgufType::kArray);
  GgufValue value;
  value.type = cursor.value<std::uint32_t>(what + ": value type");
  if (value.type == kArray) {
    value.is_array = true;
    value.type = cursor.value<std::uint32_t>(what + ": element type");
  }
  const std::size_t scalar_bytes = gguf_scalar_bytes(value.type);
  if (scalar_bytes == 0 && value.type != kString) {
    cursor.fail(what +
                ": expected a value type 0 to 12 (arrays of arrays are not supported), found " +
                gguf_type_name(value.type));
  }
  if (!value.is_array) {
    if (value.type == kString) {
      const std::string_view text = cursor.text(what);
      value.bytes = std::as_bytes(std::span(text.data(), text.size()));
    } else {
      value.bytes = cursor.take(scalar_bytes, what);
    }
    return value;
  }
  value.count = cursor.count(value.type == kString ? 8 : scalar_bytes, what + ": array");
  if (value.type != kString) {
    value.bytes = cursor.take(value.count * scalar_bytes, what);
    return value;
  }
  ByteCursor start = cursor;
  const std::size_t begin = cursor.position();
  for (std::uint64_t i = 0; i < value.count; ++i) cursor.text(what);
  value.bytes = start.take(cursor.position() - begin, what);
  return value;
}

std::uint64_t alignment_of(const GgufContents& contents, const ByteCursor& cursor) {
  const auto found = contents.metadata.find("general.alignment");
  if (found == contents.metadata.end()) return kDefaultAlignment;
  const GgufValue& value = found->second;
  if (value.is_array || value.type != static_cast<std::uint32_t>(GgufType::kUint32)) {
    cursor.fail("key 'general.alignment': expected uint32, found " +
                std::string(value.is_array ? "array of " : "") + gguf_type_name(value.type));
  }
  const auto alignment = load_little_endian<std::uint32_t>(value.bytes.data());
  if (!std::has_single_bit(alignment) || alignment < 8) {
    cursor.fail("key 'general.alignment': expected a power of two from 8 on, found " +
                std::to_string(alignment));
  }
  return alignment;
}

struct TensorEntry {
  std::string what;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

TensorEntry parse_tensor(ByteCursor& cursor, GgufTensor& tensor, std::uint64_t index) {
  tensor.name = cursor.text("name of tensor " + std::to_string(index));
  TensorEntry entry;
  entry.what = quoted("tensor", tensor.name);
  const auto n_dims = cursor.value<std::uint32_t>(entry.what + ": number of dimensions");
  if (n_dims < 1 || n_dims > kMaxDimensions) {
    cursor.fail(entry.what + ": expected 1 to 4 dimensions, found " + std::to_string(n_dims));
  }
  std::uint64_t elements = 1;
  for (std::uint32_t d = 0; d < n_dims; ++d) {
    const auto extent = cursor.value<std::uint64_t>(entry.what + ": extent");
    constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) / 8;
    if (extent == 0 || extent > kMax / elements) {
      cursor.fail(entry.what + ": extent " + std::to_string(d) +
                  ": expected a positive number whose product fits 60 bits, found " +
                  std::to_string(extent));
    }
    elements *= extent;
    tensor.ne.push_back(static_cast<std::int64_t>(extent));
  }
  tensor.type = cursor.value<std::uint32_t>(entry.what + ": type");
  entry.offset = cursor.value<std::uint64_t>(entry.what + ": offset");
  if (const GgmlFormat* format = find_ggml_format(tensor.type)) {
    const auto row = static_cast<std::uint64_t>(tensor.ne[0]);
    if (row % format->block_values != 0) {
      cursor.fail(entry.what + ": expected rows of a multiple of " +
                  std::to_string(format->block_values) + " values for " +
                  std::string(format->name) + ", found " + std::to_string(row));
    }
    // At most 34 bytes per 32 values or 4 per value: the product fits after the check above.
    entry.bytes = elements / format->block_values * format->block_bytes;
  }
  return entry;
}

// Gives every readable tensor its bytes: aligned, inside the file, none shared with another.
void place_tensors(GgufContents& contents, const std::vector<TensorEntry>& entries,
                   std::span<const std::byte> data, std::uint64_t alignment,
                   const ByteCursor& cursor) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const TensorEntry& entry = entries[i];
    if (entry.offset % alignment != 0) {
      cursor.fail(entry.what + ": expected an offset that is a multiple of " +
                  std::to_string(alignment) + ", found " + std::to_string(entry.offset));
    }
    if (entry.bytes == 0) continue;  // of a type that cannot be read
    if (entry.offset > data.size() || entry.bytes > data.size() - entry.offset) {
      cursor.fail(entry.what + ": expected " + std::to_string(entry.bytes) + " bytes at offset " +
                  std::to_string(entry.offset) + " of the data, found " +
                  std::to_string(data.size()) +
                  " bytes of data in all; the file is truncated or damaged, fetch it again");
    }
    contents.tensors[i].data = data.subspan(entry.offset, entry.bytes);
    order.push_back(i);
  }
  std::ranges::sort(order, {}, [&](std::size_t i) { return entries[i].offset; });
  for (std::size_t i = 1; i < order.size(); ++i) {
    const TensorEntry& before = entries[order[i - 1]];
    const TensorEntry& entry = entries[order[i]];
    if (before.offset + before.bytes > entry.offset) {
      cursor.fail(entry.what + ": expected an offset from " +
                  std::to_string(before.offset + before.bytes) + " on, after " + before.what +
                  ", found " + std::to_string(entry.offset) + ": the two overlap");
    }
  }
}

}  // namespace

std::size_t gguf_scalar_bytes(std::uint32_t type) {
  return type < kTypes.size() ? kTypes[type].bytes : 0;
}

std::string gguf_type_name(std::uint32_t type) {
  return type < kTypes.size() ? std::string(kTypes[type].name) : "type " + std::to_string(type);
}

void ByteCursor::fail(const std::string& message) const {
  throw Error(ErrorKind::kModel, std::string(where_) + ": " + message);
}

std::span<const std::byte> ByteCursor::take(std::uint64_t count, std::string_view what) {
  if (count > remaining()) {
    fail(std::string(what) + ": expected " + std::to_string(count) + " bytes at byte " +
         std::to_string(position_) + ", found " + std::to_string(remaining()) +
         " before the end of the file; it is truncated or damaged, fetch it again");
  }
  const auto taken = bytes_.subspan(position_, count);
  position_ += count;
  return taken;
}

template <typename T>
T ByteCursor::value(std::string_view what) {
  return load_little_endian<T>(take(sizeof(T), what).data());
}

std::string_view ByteCursor::text(std::string_view what) {
  const auto length = value<std::uint64_t>(what);
  const auto bytes = take(length, what);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::uint64_t ByteCursor::count(std::uint64_t minimum_bytes, std::string_view what) {
  const auto claimed = value<std::uint64_t>(what);
  if (claimed > remaining() / minimum_bytes) {
    fail(std::string(what) + ": expected at most " + std::to_string(remaining() / minimum_bytes) +
         " entries in the " + std::to_string(remaining()) +
         " bytes that follow, found a count of " + std::to_string(claimed) +
         "; the file is truncated or damaged, fetch it again");
  }
  return claimed;
}

GgufContents parse_gguf(std::span<const std::byte> bytes, std::string_view where) {
  ByteCursor cursor(bytes, where);
  if (bytes.size() < 4 || load_little_endian<std::uint32_t>(bytes.data()) != kMagic) {
    cursor.fail("expected a GGUF file (its first four bytes read \"GGUF\"), found something else");
  }
  cursor.value<std::uint32_t>("magic");
  GgufContents contents;
  contents.version = cursor.value<std::uint32_t>("version");
  if (contents.version != 0 && (contents.version & 0xffffU) == 0) {
    cursor.fail("expected a little-endian GGUF file, found a big-endian one; convert it again");
  }
  if (contents.version != 2 && contents.version != 3) {
    cursor.fail("expected GGUF version 2 or 3, found version " + std::to_string(contents.version) +
                "; convert the file with a current llama.cpp");
  }
  const auto n_tensors = cursor.count(kMinTensorBytes, "tensor count");
  const auto n_keys = cursor.count(kMinMetadataBytes, "metadata count");
  for (std::uint64_t i = 0; i < n_keys; ++i) {
    const std::string_view key = cursor.text("key " + std::to_string(i));
    const std::string what = quoted("key", key);
    GgufValue value = parse_value(cursor, what);
    if (!contents.metadata.emplace(std::string(key), value).second) {
      cursor.fail(what + ": expected it once, found it twice");
    }
  }
  const std::uint64_t alignment = alignment_of(contents, cursor);

  std::vector<TensorEntry> entries;
  std::set<std::string, std::less<>> names;
  for (std::uint64_t i = 0; i < n_tensors; ++i) {
    GgufTensor tensor;
    entries.push_back(parse_tensor(cursor, tensor, i));
    if (!names.insert(tensor.name).second) {
      cursor.fail(entries.back().what + ": expected it once, found it twice");
    }
    contents.tensors.push_back(std::move(tensor));
  }
  if (n_tensors == 0) return contents;  // a vocabulary-only file ends here, unpadded
  const std::uint64_t padding = (alignment - cursor.position() % alignment) % alignment;
  cursor.take(padding, "padding before the tensor data");
  place_tensors(contents, entries, bytes.subspan(cursor.position()), alignment, cursor);
  return contents;
}

}  // namespace lethe::models::detail
