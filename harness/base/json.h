// SPDX-License-Identifier: Apache-2.0
// JSON: files, canonical text (what keys are hashed over) and strict reading of objects.
#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json.hpp>

#include "harness/base/error.h"

namespace lethe {

namespace json = boost::json;

/// Text that is equal for equal values: members sorted by name (bytewise), no white space,
/// integers without fraction, doubles in their shortest form that identifies them (Boost.JSON 1.81
/// may read such a text back with another last bit: what must survive exactly travels as bits or
/// blobs). Throws Error(kInternal) on NaN or infinity, which JSON does not have.
std::string canonical_json(const json::value& value);

/// Parses a whole text. `where` names it in errors, which give line and column.
json::value parse_json(std::string_view text, std::string_view where, ErrorKind kind);

/// Reads and parses a file. Throws Error(kind) that names the file, line and column.
json::value read_json_file(const std::filesystem::path& path, ErrorKind kind);

/// Strict view of a JSON object: typed getters with errors that name the place ("suite.json:
/// budgets[2]"), and `finish()` which refuses members nobody asked for, with a suggestion.
class ObjectReader {
 public:
  /// `where` is the path of the object for messages. Throws Error(kind) when `value` is no object.
  ObjectReader(const json::value& value, std::string where, ErrorKind kind);

  bool has(std::string_view name) const;
  /// The member, or nullptr when absent. Marks it as known.
  const json::value* find(std::string_view name);
  const json::value& at(std::string_view name);
  std::string string(std::string_view name);
  std::string string(std::string_view name, std::string_view fallback);
  std::int64_t integer(std::string_view name);
  std::int64_t integer(std::string_view name, std::int64_t fallback);
  double number(std::string_view name);
  double number(std::string_view name, double fallback);
  bool boolean(std::string_view name, bool fallback);
  const json::array& array(std::string_view name);
  /// Throws Error(kind) for the first member that no getter has asked for.
  void finish() const;
  std::string where(std::string_view name) const;

 private:
  [[noreturn]] void wrong_type(std::string_view name, std::string_view expected,
                               const json::value& found) const;
  const json::object& object_;
  std::string where_;
  ErrorKind kind_;
  std::vector<std::string> known_;
};

/// "a string", "a number", "an array", … for messages.
std::string_view describe_type(const json::value& value);

}  // namespace lethe
