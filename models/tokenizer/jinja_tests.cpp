// SPDX-License-Identifier: Apache-2.0
#include <map>

#include "models/tokenizer/jinja_filters.h"
#include "models/tokenizer/jinja_operators.h"

namespace lethe::models::jinja {
namespace {

using Test = bool (*)(Budget&, const Value&, Arguments&);

bool is_flag(const Value& value, bool wanted) {
  return value.boolean() != nullptr && *value.boolean() == wanted;
}

bool is_even(const Value& value) {
  return integer_of(value, "a test") % 2 == 0;
}

bool has_items(const Value& value) {
  return value.text() != nullptr || value.list() != nullptr || value.dict() != nullptr ||
         value.is_undefined();
}

bool divides(const Value& value, Arguments& arguments) {
  const std::int64_t by = integer_of(arguments.at(0, "num"), "a test");
  const std::int64_t number = integer_of(value, "a test");
  if (by == 0) fail("found a division by zero");
  return by == -1 || number % by == 0;
}

// Python's identity, where every program has one object per value.
bool is_same(const Value& value, Arguments& arguments) {
  const Value& other = arguments.at(0, "other");
  const auto is_single = [](const Value& v) { return v.is_none() || v.boolean() != nullptr; };
  if (!is_single(value) && !is_single(other)) {
    fail("expected 'sameas' with true, false or none, found " + describe(other));
  }
  if (value.is_none() || other.is_none()) return value.is_none() && other.is_none();
  return other.boolean() != nullptr && is_flag(value, *other.boolean());
}

template <const char* const& kOperation>
bool compared(Budget& budget, const Value& value, Arguments& arguments) {
  return compare(budget, kOperation, value, arguments.at(0, ""));
}

constexpr const char* kEqual = "==";
constexpr const char* kUnequal = "!=";
constexpr const char* kLess = "<";
constexpr const char* kLessOrEqual = "<=";
constexpr const char* kGreater = ">";
constexpr const char* kGreaterOrEqual = ">=";
constexpr const char* kIn = "in";

const std::map<std::string_view, Test>& tests() {
  static const std::map<std::string_view, Test> kTests = {
      {"defined", [](Budget&, const Value& v, Arguments&) { return !v.is_undefined(); }},
      {"undefined", [](Budget&, const Value& v, Arguments&) { return v.is_undefined(); }},
      {"none", [](Budget&, const Value& v, Arguments&) { return v.is_none(); }},
      {"string", [](Budget&, const Value& v, Arguments&) { return v.text() != nullptr; }},
      {"number", [](Budget&, const Value& v, Arguments&) { return is_number(v); }},
      {"integer", [](Budget&, const Value& v, Arguments&) { return v.integer() != nullptr; }},
      {"float", [](Budget&, const Value& v, Arguments&) { return v.real() != nullptr; }},
      {"boolean", [](Budget&, const Value& v, Arguments&) { return v.boolean() != nullptr; }},
      {"mapping", [](Budget&, const Value& v, Arguments&) { return v.dict() != nullptr; }},
      {"sequence", [](Budget&, const Value& v, Arguments&) { return has_items(v); }},
      {"iterable",
       [](Budget&, const Value& v, Arguments&) { return has_items(v) || v.loop() != nullptr; }},
      {"callable", [](Budget&, const Value& v, Arguments&) { return v.function() != nullptr; }},
      {"true", [](Budget&, const Value& v, Arguments&) { return is_flag(v, true); }},
      {"false", [](Budget&, const Value& v, Arguments&) { return is_flag(v, false); }},
      {"even", [](Budget&, const Value& v, Arguments&) { return is_even(v); }},
      {"odd", [](Budget&, const Value& v, Arguments&) { return !is_even(v); }},
      {"divisibleby", [](Budget&, const Value& v, Arguments& a) { return divides(v, a); }},
      {"sameas", [](Budget&, const Value& v, Arguments& a) { return is_same(v, a); }},
      {"eq", compared<kEqual>},
      {"equalto", compared<kEqual>},
      {"ne", compared<kUnequal>},
      {"lt", compared<kLess>},
      {"lessthan", compared<kLess>},
      {"le", compared<kLessOrEqual>},
      {"gt", compared<kGreater>},
      {"greaterthan", compared<kGreater>},
      {"ge", compared<kGreaterOrEqual>},
      {"in", compared<kIn>}};
  return kTests;
}

}  // namespace

bool apply_test(Budget& budget, std::string_view name, const Value& value, Arguments& arguments) {
  const auto test = tests().find(name);
  if (test == tests().end()) {
    std::string known;
    for (const auto& entry : tests())
      known += (known.empty() ? "" : ", ") + std::string(entry.first);
    fail("expected a test that is supported (" + known + "), found '" + std::string(name) + "'");
  }
  const bool result = test->second(budget, value, arguments);
  arguments.finish();
  return result;
}

}  // namespace lethe::models::jinja
