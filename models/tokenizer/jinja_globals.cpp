// SPDX-License-Identifier: Apache-2.0
#include "models/tokenizer/jinja_globals.h"

#include <algorithm>
#include <string>

#include "models/tokenizer/jinja_format.h"
#include "models/tokenizer/jinja_operators.h"

namespace lethe::models::jinja {
namespace {

// As jinja2's sandbox has it.
constexpr std::int64_t kLongestRange = 100'000;

Value range(Budget& budget, Arguments& arguments) {
  const bool one = arguments.positional.size() < 2;
  const std::int64_t start = one ? 0 : integer_of(arguments.at(0, ""), "range()");
  const std::int64_t stop = integer_of(arguments.at(one ? 0 : 1, ""), "range()");
  const Value* by = arguments.find(2, "");
  const std::int64_t step = by == nullptr ? 1 : integer_of(*by, "range()");
  if (step == 0) fail("expected a step of range() other than 0");
  std::vector<Value> items;
  for (std::int64_t i = start; step > 0 ? i < stop : i > stop;) {
    if (static_cast<std::int64_t>(items.size()) == kLongestRange) {
      fail("expected a range() of at most " + std::to_string(kLongestRange) +
           " integers, found a longer one");
    }
    budget.step();
    items.push_back(make_integer(i));
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return make_list(budget, std::move(items));
}

Value dict(Budget& budget, Arguments& arguments) {
  std::vector<std::pair<Value, Value>> members;
  if (const Value* given = arguments.find(0, "")) {
    if (const Dict* other = given->dict()) {
      budget.step(other->items.size());
      members = other->items;
    } else {
      for (const Value& pair : elements(budget, *given)) {
        std::vector<Value> both = elements(budget, pair);
        if (both.size() != 2) fail("expected pairs of key and value for dict()");
        members.emplace_back(std::move(both[0]), std::move(both[1]));
      }
    }
  }
  for (const auto& [name, value] : arguments.named) {
    arguments.allow(name);
    members.emplace_back(make_text(name), value);
  }
  return make_dict(budget, std::move(members));
}

Value make_namespace(Budget& budget, Arguments& arguments) {
  auto space = std::make_shared<Namespace>();
  const Value members = dict(budget, arguments);
  for (const auto& [name, value] : members.dict()->items) {
    if (name.text() == nullptr) fail("expected names for namespace(), found " + describe(name));
    space->attributes[*name.text()] = value;
  }
  return Value(std::move(space));
}

Value formatted_time(Arguments& arguments, const std::optional<std::tm>& now) {
  const std::string& format = arguments.text(0, "");
  if (!now) fail("the template asks for the time, and none was given");
  // Conversions whose meaning is the same in Python and C, zones left out: the time has none.
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') continue;
    if (i + 1 < format.size() && format[i + 1] == '-') ++i;
    ++i;
    if (i >= format.size() || std::string_view("aAbBcdDeFGHIjmMnpSTuUVwWxXyY%").find(format[i]) ==
                                  std::string_view::npos) {
      fail("expected a format of strftime_now() that is supported, found '" + format + "'");
    }
  }
  if (format.size() > 1000) fail("expected a format of at most 1000 bytes");
  std::string text(64 * (format.size() + 1), '\0');
  text.resize(std::strftime(text.data(), text.size(), format.c_str(), &*now));
  return make_text(std::move(text));
}

constexpr std::string_view kGlobals[] = {"dict", "namespace", "raise_exception", "range",
                                         "strftime_now"};

}  // namespace

std::optional<Value> find_global(std::string_view name) {
  if (std::ranges::find(kGlobals, name) == std::end(kGlobals)) return std::nullopt;
  return Value(std::make_shared<const Function>(
      Function{Function::Kind::kGlobal, std::string(name), Value(), nullptr, nullptr}));
}

Value call_global(Budget& budget, std::string_view name, Arguments& arguments,
                  const std::optional<std::tm>& now) {
  if (name == "raise_exception") {
    fail("the template refuses this conversation: " + to_text(budget, arguments.at(0, "message")));
  }
  Value result = name == "range"       ? range(budget, arguments)
                 : name == "dict"      ? dict(budget, arguments)
                 : name == "namespace" ? make_namespace(budget, arguments)
                                       : formatted_time(arguments, now);
  arguments.finish();
  return result;
}

}  // namespace lethe::models::jinja
