// SPDX-License-Identifier: Apache-2.0
// Arguments of calls, and the methods of strings, dicts and lists.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/tokenizer/jinja_value.h"

namespace lethe::models::jinja {

/// Arguments of one call, taken by place or name.
class Arguments {
 public:
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;

  /// The argument, or nullptr when it is not given. An empty name: by place only.
  const Value* find(std::size_t place, std::string_view name);
  /// Throws Fault when it is not given.
  const Value& at(std::size_t place, std::string_view name);
  bool flag(std::size_t place, std::string_view name, bool fallback);
  /// Throws Fault when it is no integer; none counts as not given.
  std::int64_t integer(std::size_t place, std::string_view name, std::int64_t fallback);
  /// Throws Fault when it is no string.
  const std::string& text(std::size_t place, std::string_view name);
  /// Takes an argument that has a name only.
  void allow(std::string_view name) { known_names_.push_back(name); }
  /// Throws Fault for an argument that nobody asked for.
  void finish() const;

 private:
  std::size_t known_places_ = 0;
  std::vector<std::string_view> known_names_;
};

/// Whether a value of this type has such a method in Python, supported here or not.
bool has_method(const Value& value, std::string_view name);
/// Calls it. Throws Fault, also for the methods that change a list or a dict: templates may not.
Value call_method(Budget& budget, const Value& self, std::string_view name, Arguments& arguments);

/// Charges a search for `part` in all of `text`, which may compare each with each.
void charge_search(Budget& budget, std::string_view text, std::string_view part);

/// Python's str.replace(); `most` < 0: all.
std::string replace(Budget& budget, std::string_view text, std::string_view old,
                    std::string_view with, std::int64_t most);

}  // namespace lethe::models::jinja
