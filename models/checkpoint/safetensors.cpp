// SPDX-License-Identifier: Apache-2.0
#include "models/checkpoint/safetensors.h"

#include <algorithm>
#include <array>
#include <limits>

#include "harness/base/error.h"
#include "harness/base/json.h"
#include "harness/base/names.h"
#include "models/checkpoint/dequantize.h"

namespace lethe::models {
namespace {

// The format's own limit on the header.
constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;

struct DtypeSize {
  std::string_view name;
  std::uint64_t bytes;
};

constexpr std::array<DtypeSize, 15> kDtypes = {{{"BOOL", 1},
                                                {"U8", 1},
                                                {"I8", 1},
                                                {"F8_E4M3", 1},
                                                {"F8_E5M2", 1},
                                                {"I16", 2},
                                                {"U16", 2},
                                                {"F16", 2},
                                                {"BF16", 2},
                                                {"I32", 4},
                                                {"U32", 4},
                                                {"F32", 4},
                                                {"I64", 8},
                                                {"U64", 8},
                                                {"F64", 8}}};

std::uint64_t dtype_bytes(std::string_view dtype) {
  const auto found = std::ranges::find(kDtypes, dtype, &DtypeSize::name);
  return found == kDtypes.end() ? 0 : found->bytes;
}

[[noreturn]] void fail(const std::string& where, const std::string& message) {
  throw Error(ErrorKind::kModel, where + ": " + message);
}

std::int64_t as_extent(const json::value& value, const std::string& where) {
  if (!value.is_int64() || value.get_int64() < 0) {
    fail(where, "expected integers from 0 on, found " + json::serialize(value));
  }
  return value.get_int64();
}

/// One array's place in the data, for the check that the arrays cover it.
struct Region {
  std::uint64_t begin;
  std::uint64_t end;
  std::string where;
};

Region parse_entry(const json::value& value, const std::string& where,
                   std::span<const std::byte> data, SafetensorsEntry& entry) {
  ObjectReader reader(value, where, ErrorKind::kModel);
  entry.dtype = reader.string("dtype");
  const std::uint64_t size = dtype_bytes(entry.dtype);
  if (size == 0) fail(where, "expected a safetensors dtype (F32, BF16, …), found " + entry.dtype);
  std::uint64_t bytes = size;
  for (const json::value& item : reader.array("shape")) {
    const std::int64_t extent = as_extent(item, where + ": shape");
    entry.shape.push_back(extent);
    constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    const auto factor = static_cast<std::uint64_t>(extent);
    if (bytes != 0 && factor > kMax / bytes) fail(where, "shape: the product does not fit 63 bits");
    bytes *= factor;
  }
  const json::array& offsets = reader.array("data_offsets");
  if (offsets.size() != 2) {
    fail(where, "data_offsets: expected 2 numbers, found " + std::to_string(offsets.size()));
  }
  Region region{static_cast<std::uint64_t>(as_extent(offsets[0], where + ": data_offsets")),
                static_cast<std::uint64_t>(as_extent(offsets[1], where + ": data_offsets")), where};
  if (region.begin > region.end || region.end > data.size()) {
    fail(where, "data_offsets: expected a range inside the " + std::to_string(data.size()) +
                    " bytes of data, found " + std::to_string(region.begin) + " to " +
                    std::to_string(region.end) +
                    "; the file is truncated or damaged, fetch it again");
  }
  if (region.end - region.begin != bytes) {
    fail(where, "expected " + std::to_string(bytes) + " bytes for its shape and dtype, found " +
                    std::to_string(region.end - region.begin));
  }
  entry.data = data.subspan(region.begin, bytes);
  return region;
}

void expect_full_cover(std::vector<Region>& regions, std::uint64_t data_bytes,
                       const std::string& where) {
  std::ranges::sort(regions, [](const Region& a, const Region& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
  });
  std::uint64_t expected = 0;
  for (const Region& region : regions) {
    if (region.begin != expected) {
      fail(region.where, "expected its data to start at byte " + std::to_string(expected) +
                             ", right after the array before it, found " +
                             std::to_string(region.begin));
    }
    expected = region.end;
  }
  if (expected != data_bytes) {
    fail(where, "expected " + std::to_string(expected) + " bytes of data, found " +
                    std::to_string(data_bytes));
  }
}

template <typename Stored, typename Out>
void convert(std::span<const std::byte> data, std::span<Out> out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = static_cast<Out>(load_little_endian<Stored>(data.data() + i * sizeof(Stored)));
  }
}

template <typename Out>
bool convert_floating(const SafetensorsEntry& entry, std::span<Out> out) {
  if (entry.dtype == "F32") {
    convert<float>(entry.data, out);
  } else if (entry.dtype == "F64") {
    convert<double>(entry.data, out);
  } else if (entry.dtype == "F16" || entry.dtype == "BF16") {
    const auto widen = entry.dtype == "F16" ? half_to_float : bfloat16_to_float;
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i] = widen(load_little_endian<std::uint16_t>(entry.data.data() + 2 * i));
    }
  } else {
    return false;
  }
  return true;
}

}  // namespace

std::int64_t SafetensorsEntry::elements() const {
  std::int64_t product = 1;
  for (const std::int64_t extent : shape) product *= extent;
  return product;
}

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path)
    : path_(path), file_(path, ErrorKind::kModel) {
  const std::string where = path.string();
  const auto bytes = file_.bytes();
  if (bytes.size() < 8) {
    fail(where, "expected a safetensors file (8 bytes of header length), found " +
                    std::to_string(bytes.size()) + " bytes");
  }
  const auto header_bytes = load_little_endian<std::uint64_t>(bytes.data());
  if (header_bytes > bytes.size() - 8 || header_bytes > kMaxHeaderBytes) {
    fail(where, "expected a safetensors file, found a header length of " +
                    std::to_string(header_bytes) + " in a file of " + std::to_string(bytes.size()) +
                    " bytes; it is truncated, damaged or of another kind");
  }
  const std::string_view header(reinterpret_cast<const char*>(bytes.data() + 8), header_bytes);
  const json::value parsed = parse_json(header, where + " (header)", ErrorKind::kModel);
  if (!parsed.is_object()) {
    fail(where, "header: expected an object, found " + std::string(describe_type(parsed)));
  }
  const auto data = bytes.subspan(8 + header_bytes);
  std::vector<Region> regions;
  for (const auto& [name, value] : parsed.get_object()) {
    if (name == "__metadata__") continue;
    const std::string key(name);
    SafetensorsEntry entry;
    regions.push_back(parse_entry(value, where + ": array '" + key + "'", data, entry));
    entries_.emplace(key, std::move(entry));
  }
  expect_full_cover(regions, data.size(), where);
}

const SafetensorsEntry& SafetensorsFile::entry(std::string_view name) const {
  const auto found = entries_.find(name);
  if (found != entries_.end()) return found->second;
  std::vector<std::string> known;
  for (const auto& [key, value] : entries_) known.push_back(key);
  const auto near = closest_name(name, known);
  fail(path_.string(), "expected an array '" + std::string(name) + "', found " +
                           std::to_string(known.size()) + " arrays without it" +
                           (near ? "; the nearest is '" + *near + "'" : std::string()));
}

const std::vector<std::int64_t>& SafetensorsFile::shape(std::string_view name) const {
  return entry(name).shape;
}

void SafetensorsFile::wrong_dtype(std::string_view name, std::string_view expected,
                                  std::string_view found) const {
  fail(path_.string(), "array '" + std::string(name) + "': expected " + std::string(expected) +
                           ", found " + std::string(found));
}

std::vector<float> SafetensorsFile::read_f32(std::string_view name) const {
  const SafetensorsEntry& found = entry(name);
  if (found.dtype == "F64") wrong_dtype(name, "F32, F16 or BF16", found.dtype);
  std::vector<float> values(static_cast<std::size_t>(found.elements()));
  read_rounded(name, values);
  return values;
}

std::vector<double> SafetensorsFile::read_f64(std::string_view name) const {
  const SafetensorsEntry& found = entry(name);
  std::vector<double> values(static_cast<std::size_t>(found.elements()));
  if (!convert_floating(found, std::span(values))) {
    wrong_dtype(name, "F64, F32, F16 or BF16", found.dtype);
  }
  return values;
}

void SafetensorsFile::read_rounded(std::string_view name, std::span<float> out) const {
  const SafetensorsEntry& found = entry(name);
  LETHE_ASSERT(out.size() == static_cast<std::size_t>(found.elements()), name);
  if (!convert_floating(found, out)) wrong_dtype(name, "F64, F32, F16 or BF16", found.dtype);
}

std::vector<std::int64_t> SafetensorsFile::read_i64(std::string_view name) const {
  const SafetensorsEntry& found = entry(name);
  std::vector<std::int64_t> values(static_cast<std::size_t>(found.elements()));
  const std::span<std::int64_t> out(values);
  if (found.dtype == "I64") {
    convert<std::int64_t>(found.data, out);
  } else if (found.dtype == "I32") {
    convert<std::int32_t>(found.data, out);
  } else if (found.dtype == "U32") {
    convert<std::uint32_t>(found.data, out);
  } else if (found.dtype == "I16") {
    convert<std::int16_t>(found.data, out);
  } else if (found.dtype == "U16") {
    convert<std::uint16_t>(found.data, out);
  } else if (found.dtype == "I8") {
    convert<std::int8_t>(found.data, out);
  } else if (found.dtype == "U8" || found.dtype == "BOOL") {
    convert<std::uint8_t>(found.data, out);
  } else {
    wrong_dtype(name, "an integer type (I64, I32, U32, I16, U16, I8, U8, BOOL)", found.dtype);
  }
  return values;
}

}  // namespace lethe::models
