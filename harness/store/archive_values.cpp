// SPDX-License-Identifier: Apache-2.0
#include "harness/store/archive_values.h"

#include <SQLiteCpp/SQLiteCpp.h>
#include <openssl/evp.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string_view>

#include "harness/base/error.h"
#include "harness/base/text.h"

namespace lethe::store {
namespace {

std::string to_base64(std::string_view data) {
  std::string out(4 * ((data.size() + 2) / 3) + 1, '\0');  // EVP ends it with a zero byte
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(data.data()),
                                   static_cast<int>(data.size()));
  out.resize(static_cast<std::size_t>(size));
  return out;
}

std::string from_base64(std::string_view text) {
  std::string out(text.size() / 4 * 3, '\0');
  int size = 0;
  if (!text.empty()) {
    size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                           reinterpret_cast<const unsigned char*>(text.data()),
                           static_cast<int>(text.size()));
    if (text.ends_with("==")) {
      size -= 2;
    } else if (text.ends_with("=")) {
      size -= 1;
    }
  }
  out.resize(static_cast<std::size_t>(std::max(0, size)));
  // EVP reads more than it writes (blanks, loose ends): only its own text is taken.
  if (size < 0 || to_base64(out) != text) {
    throw Error(ErrorKind::kData, "expected base64, found '" + std::string(text.substr(0, 40)) +
                                      (text.size() > 40 ? "…'" : "'"));
  }
  return out;
}

std::string to_hex_float(double value) {
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  char digits[64];
  const auto end =
      std::to_chars(digits, digits + sizeof digits, std::abs(value), std::chars_format::hex).ptr;
  return (std::signbit(value) ? "-0x" : "0x") + std::string(digits, end);
}

double from_hex_float(std::string_view text) {
  std::string_view digits = text;
  const bool negative = digits.starts_with('-');
  if (negative) digits.remove_prefix(1);
  double value = 0;
  bool good = false;
  if (digits == "inf") {
    value = HUGE_VAL;
    good = true;
  } else if (digits.starts_with("0x") && !digits.starts_with("0x-")) {
    digits.remove_prefix(2);
    const auto* end = digits.data() + digits.size();
    const auto read = std::from_chars(digits.data(), end, value, std::chars_format::hex);
    good = read.ec == std::errc() && read.ptr == end && std::isfinite(value);
  }
  if (!good) {
    throw Error(ErrorKind::kData,
                "expected a hexadecimal floating-point number such as \"0x1.8p+1\", found '" +
                    std::string(text.substr(0, 40)) + "'");
  }
  return negative ? -value : value;
}

void expect_type(bool good, const char* expected, const json::value& value) {
  if (good) return;
  throw Error(ErrorKind::kData,
              std::string("expected ") + expected + ", found " + std::string(describe_type(value)));
}

std::string text_of(const json::value& value) {
  if (value.is_string()) return std::string(value.get_string());
  const auto* object = value.if_object();
  const auto* coded = object && object->size() == 1 ? object->if_contains("base64") : nullptr;
  expect_type(coded && coded->is_string(), "a string or {\"base64\": a string}", value);
  return from_base64(coded->get_string());
}

}  // namespace

json::value archived(const SQLite::Column& value) {
  if (value.isNull()) return nullptr;
  if (value.isInteger()) return static_cast<std::int64_t>(value.getInt64());
  if (value.isFloat()) return json::value(to_hex_float(value.getDouble()));
  const bool text = value.isText();
  const std::string bytes = value.getString();
  if (!text) return json::value(to_base64(bytes));
  if (first_invalid_utf8(bytes)) return {{"base64", to_base64(bytes)}};
  return json::value(bytes);
}

void bind_archived(SQLite::Statement& to, int index, const std::string& type,
                   const json::value& value) {
  if (value.is_null()) {
    to.bind(index);
  } else if (type == "INTEGER") {
    expect_type(value.is_int64(), "an integer", value);
    to.bind(index, value.get_int64());
  } else if (type == "REAL") {
    expect_type(value.is_string(), "a string with a hexadecimal floating-point number", value);
    to.bind(index, from_hex_float(value.get_string()));
  } else if (type == "TEXT") {
    to.bind(index, text_of(value));
  } else {
    expect_type(value.is_string(), "a string in base64", value);
    const std::string bytes = from_base64(value.get_string());
    to.bind(index, bytes.data(), static_cast<int>(bytes.size()));
  }
}

}  // namespace lethe::store
