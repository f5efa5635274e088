// SPDX-License-Identifier: Apache-2.0
// Values as text: Python's str() and repr(), and JSON as transformers' filter tojson writes it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "models/tokenizer/jinja_value.h"

namespace lethe::models::jinja {

/// Python's str(): texts as they are, "" for undefined. Throws Fault for functions, namespaces and
/// loops, whose text in Python names addresses.
std::string to_text(Budget& budget, const Value& value);

/// The text of a float: the shortest that reads back the same, as Python's repr().
std::string float_text(double value);

struct JsonStyle {
  std::optional<std::string> indent;  ///< of one level; absent: one line
  std::string item_separator = ", ";
  std::string key_separator = ": ";
  bool ascii_only = false;
  bool sort_keys = false;
};
/// Python's json.dumps(). Throws Fault for what JSON does not have.
std::string to_json(Budget& budget, const Value& value, const JsonStyle& style);

}  // namespace lethe::models::jinja
