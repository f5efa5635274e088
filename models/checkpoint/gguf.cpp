// SPDX-License-Identifier: Apache-2.0
#include "models/checkpoint/gguf.h"

#include <limits>

#include "harness/base/error.h"
#include "models/checkpoint/dequantize.h"
#include "models/checkpoint/gguf_layout.h"

namespace lethe::models {
namespace {

using detail::GgufType;

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::optional<std::int64_t> as_integer(std::uint32_t type, const std::byte* bytes) {
  switch (static_cast<GgufType>(type)) {
    case GgufType::kUint8:
      return load_little_endian<std::uint8_t>(bytes);
    case GgufType::kInt8:
      return load_little_endian<std::int8_t>(bytes);
    case GgufType::kUint16:
      return load_little_endian<std::uint16_t>(bytes);
    case GgufType::kInt16:
      return load_little_endian<std::int16_t>(bytes);
    case GgufType::kUint32:
      return load_little_endian<std::uint32_t>(bytes);
    case GgufType::kInt32:
      return load_little_endian<std::int32_t>(bytes);
    case GgufType::kInt64:
      return load_little_endian<std::int64_t>(bytes);
    case GgufType::kUint64: {
      const auto value = load_little_endian<std::uint64_t>(bytes);
      if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return {};
      return static_cast<std::int64_t>(value);
    }
    default:
      return {};
  }
}

}  // namespace

std::int64_t GgufTensor::elements() const {
  std::int64_t product = 1;
  for (const std::int64_t extent : ne) product *= extent;
  return product;
}

GgufFile::GgufFile(const std::filesystem::path& path)
    : path_(path), file_(path, ErrorKind::kModel) {
  detail::GgufContents contents = detail::parse_gguf(file_.bytes(), path.string());
  version_ = contents.version;
  metadata_ = std::move(contents.metadata);
  tensors_ = std::move(contents.tensors);
  for (std::size_t i = 0; i < tensors_.size(); ++i) by_name_.emplace(tensors_[i].name, i);
}

const GgufTensor* GgufFile::find_tensor(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &tensors_[found->second];
}

void GgufFile::read(const GgufTensor& tensor, std::span<float> out) const {
  const GgmlFormat* format = find_ggml_format(tensor.type);
  if (format == nullptr) {
    throw Error(ErrorKind::kModel, path_.string() + ": tensor '" + tensor.name +
                                       "': expected one of the storage types " +
                                       supported_ggml_formats() + ", found " +
                                       ggml_type_name(tensor.type) +
                                       "; use a file quantised to one of these");
  }
  LETHE_ASSERT(out.size() == static_cast<std::size_t>(tensor.elements()), tensor.name);
  format->dequantize(tensor.data.data(), out);
}

const GgufValue* GgufFile::find_value(std::string_view key) const {
  const auto found = metadata_.find(key);
  return found == metadata_.end() ? nullptr : &found->second;
}

bool GgufFile::has(std::string_view key) const {
  return find_value(key) != nullptr;
}

void GgufFile::missing(std::string_view key, std::string_view expected) const {
  throw Error(ErrorKind::kModel, path_.string() + ": key '" + std::string(key) + "': expected " +
                                     std::string(expected) + ", found no such key");
}

void GgufFile::wrong_type(std::string_view key, std::string_view expected,
                          const GgufValue& found) const {
  throw Error(ErrorKind::kModel, path_.string() + ": key '" + std::string(key) + "': expected " +
                                     std::string(expected) + ", found " +
                                     (found.is_array ? "an array of " : "") +
                                     detail::gguf_type_name(found.type));
}

void GgufFile::expect_scalar(std::string_view key, const GgufValue& value,
                             std::string_view expected) const {
  if (value.is_array) wrong_type(key, expected, value);
}

const GgufValue& GgufFile::array(std::string_view key, std::string_view expected) const {
  const GgufValue* value = find_value(key);
  if (value == nullptr) missing(key, expected);
  if (!value->is_array) wrong_type(key, expected, *value);
  return *value;
}

std::optional<std::string> GgufFile::find_string(std::string_view key) const {
  const GgufValue* value = find_value(key);
  if (value == nullptr) return {};
  expect_scalar(key, *value, "a string");
  if (static_cast<GgufType>(value->type) != GgufType::kString) wrong_type(key, "a string", *value);
  return std::string(as_text(value->bytes));
}

std::optional<std::int64_t> GgufFile::find_integer(std::string_view key) const {
  const GgufValue* value = find_value(key);
  if (value == nullptr) return {};
  expect_scalar(key, *value, "an integer");
  const auto integer = as_integer(value->type, value->bytes.data());
  if (!integer) wrong_type(key, "an integer below 2^63", *value);
  return integer;
}

std::optional<double> GgufFile::find_number(std::string_view key) const {
  const GgufValue* value = find_value(key);
  if (value == nullptr) return {};
  expect_scalar(key, *value, "a number");
  const std::byte* bytes = value->bytes.data();
  if (static_cast<GgufType>(value->type) == GgufType::kFloat32) {
    return static_cast<double>(load_little_endian<float>(bytes));
  }
  if (static_cast<GgufType>(value->type) == GgufType::kFloat64) {
    return load_little_endian<double>(bytes);
  }
  const auto integer = as_integer(value->type, bytes);
  if (!integer) wrong_type(key, "a number", *value);
  return static_cast<double>(*integer);
}

std::optional<bool> GgufFile::find_boolean(std::string_view key) const {
  const GgufValue* value = find_value(key);
  if (value == nullptr) return {};
  expect_scalar(key, *value, "a bool");
  if (static_cast<GgufType>(value->type) != GgufType::kBool) wrong_type(key, "a bool", *value);
  return std::to_integer<int>(value->bytes[0]) != 0;
}

std::string GgufFile::string(std::string_view key) const {
  const auto value = find_string(key);
  if (!value) missing(key, "a string");
  return *value;
}

std::int64_t GgufFile::integer(std::string_view key) const {
  const auto value = find_integer(key);
  if (!value) missing(key, "an integer");
  return *value;
}

double GgufFile::number(std::string_view key) const {
  const auto value = find_number(key);
  if (!value) missing(key, "a number");
  return *value;
}

std::vector<std::string_view> GgufFile::strings(std::string_view key) const {
  const GgufValue& value = array(key, "an array of strings");
  if (static_cast<GgufType>(value.type) != GgufType::kString) {
    wrong_type(key, "an array of strings", value);
  }
  const std::string where = path_.string();
  detail::ByteCursor cursor(value.bytes, where);
  std::vector<std::string_view> texts;
  texts.reserve(value.count);
  for (std::uint64_t i = 0; i < value.count; ++i) texts.push_back(cursor.text(key));
  return texts;
}

std::vector<std::int64_t> GgufFile::integers(std::string_view key) const {
  const GgufValue& value = array(key, "an array of integers");
  const std::size_t stride = detail::gguf_scalar_bytes(value.type);
  std::vector<std::int64_t> numbers;
  if (stride == 0) wrong_type(key, "an array of integers", value);
  numbers.reserve(value.count);
  for (std::uint64_t i = 0; i < value.count; ++i) {
    const auto integer = as_integer(value.type, value.bytes.data() + i * stride);
    if (!integer) wrong_type(key, "an array of integers", value);
    numbers.push_back(*integer);
  }
  return numbers;
}

std::vector<float> GgufFile::floats(std::string_view key) const {
  const GgufValue& value = array(key, "an array of float32");
  if (static_cast<GgufType>(value.type) != GgufType::kFloat32) {
    wrong_type(key, "an array of float32", value);
  }
  std::vector<float> numbers(value.count);
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    numbers[i] = load_little_endian<float>(value.bytes.data() + i * sizeof(float));
  }
  return numbers;
}

}  // namespace lethe::models
