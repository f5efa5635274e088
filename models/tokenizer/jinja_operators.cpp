// SPDX-License-Identifier: Apache-2.0
#include "models/tokenizer/jinja_operators.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "models/tokenizer/jinja_methods.h"
#include "models/tokenizer/jinja_text.h"

namespace lethe::models::jinja {
namespace {

std::optional<std::int64_t> as_integer(const Value& value) {
  if (const auto* integer = value.integer()) return *integer;
  if (const bool* flag = value.boolean()) return *flag ? 1 : 0;
  return std::nullopt;
}

// Every integer and every float of 64 bits, so that they compare as in Python.
long double exact(const Value& number) {
  if (const double* real = number.real()) return *real;
  return static_cast<long double>(*as_integer(number));
}

[[noreturn]] void overflow(std::string_view operation) {
  fail("expected a result of '" + std::string(operation) + "' that fits 64 bits, found a larger");
}

std::int64_t power(std::int64_t base, std::int64_t exponent) {
  std::int64_t result = 1;
  for (; exponent > 0; exponent /= 2) {
    if (exponent % 2 == 1 && __builtin_mul_overflow(result, base, &result)) overflow("**");
    if (exponent > 1 && __builtin_mul_overflow(base, base, &base)) overflow("**");
  }
  return result;
}

// Python rounds towards minus infinity; the remainder has the divisor's sign.
std::int64_t floor_divide(std::int64_t left, std::int64_t right) {
  if (right == -1) {
    std::int64_t result = 0;
    if (__builtin_sub_overflow(std::int64_t{0}, left, &result)) overflow("//");
    return result;
  }
  const std::int64_t quotient = left / right;
  return left % right != 0 && (left < 0) != (right < 0) ? quotient - 1 : quotient;
}

Value integer_arithmetic(std::string_view operation, std::int64_t left, std::int64_t right) {
  std::int64_t result = 0;
  bool fits = true;
  if (operation == "+") {
    fits = !__builtin_add_overflow(left, right, &result);
  } else if (operation == "-") {
    fits = !__builtin_sub_overflow(left, right, &result);
  } else if (operation == "*") {
    fits = !__builtin_mul_overflow(left, right, &result);
  } else if (operation == "**") {
    result = power(left, right);
  } else if (right == 0) {
    fail("found a division by zero");
  } else if (operation == "/") {
    return Value(static_cast<double>(left) / static_cast<double>(right));
  } else if (operation == "//") {
    result = floor_divide(left, right);
  } else if (right != -1) {
    result = left - floor_divide(left, right) * right;
  }
  if (!fits) overflow(operation);
  return make_integer(result);
}

double real_arithmetic(std::string_view operation, double left, double right) {
  if (operation == "+") return left + right;
  if (operation == "-") return left - right;
  if (operation == "*") return left * right;
  if (operation == "**") {
    if (left == 0 && right < 0) fail("found zero to a negative power");
    const double result = std::pow(left, right);
    if (std::isnan(result) && !std::isnan(left) && !std::isnan(right)) {
      fail("expected a real result of '**', found a root of a negative number");
    }
    if (std::isinf(result) && !std::isinf(left) && !std::isinf(right)) overflow("**");
    return result;
  }
  if (right == 0) fail("found a division by zero");
  if (operation == "/") return left / right;
  const double remainder = std::fmod(left, right);
  const bool shifted = remainder != 0 && (remainder < 0) != (right < 0);
  if (operation == "%") return shifted ? remainder + right : std::copysign(remainder, right);
  const double quotient = (left - (shifted ? remainder + right : remainder)) / right;
  return std::floor(quotient + 0.5);
}

Value repeat(Budget& budget, const Value& value, std::int64_t count) {
  const auto times = static_cast<std::size_t>(std::max<std::int64_t>(count, 0));
  if (const std::string* text = value.text()) {
    if (text->empty() || times == 0) return make_text("");
    budget.step(times);
    budget.bytes(times > std::string().max_size() / text->size() ? std::string().max_size()
                                                                 : times * text->size());
    std::string result;
    result.reserve(times * text->size());
    for (std::size_t i = 0; i < times; ++i) result += *text;
    return make_text(std::move(result));
  }
  const List& list = *value.list();
  std::vector<Value> items;
  for (std::size_t i = 0; i < times && !list.items.empty(); ++i) {
    budget.step(list.items.size());
    items.insert(items.end(), list.items.begin(), list.items.end());
  }
  return make_list(budget, std::move(items), list.is_tuple);
}

Value join(Budget& budget, const List& left, const List& right) {
  budget.step(left.items.size() + right.items.size());
  std::vector<Value> items = left.items;
  items.insert(items.end(), right.items.begin(), right.items.end());
  return make_list(budget, std::move(items), left.is_tuple);
}

[[noreturn]] void no_operation(std::string_view operation, const Value& left, const Value& right) {
  fail("expected values that fit '" + std::string(operation) + "', found " + describe(left) +
       " and " + describe(right));
}

bool contains(Budget& budget, const Value& container, const Value& value) {
  if (container.is_undefined()) return false;
  if (const std::string* text = container.text()) {
    if (value.text() == nullptr) no_operation("in", value, container);
    charge_search(budget, *text, *value.text());
    return text->find(*value.text()) != std::string::npos;
  }
  if (const Dict* dict = container.dict()) return dict->find(value) != nullptr;
  if (const List* list = container.list()) {
    return std::ranges::any_of(list->items,
                               [&](const Value& entry) { return are_equal(budget, entry, value); });
  }
  no_operation("in", value, container);
}

Value loop_attribute(const Loop& loop, std::string_view name) {
  const auto count = static_cast<std::int64_t>(loop.items->items.size());
  const auto index = static_cast<std::int64_t>(loop.index);
  const auto neighbour = [&](std::int64_t at, const char* what) {
    if (at < 0 || at >= count) return make_undefined(what);
    return loop.items->items[static_cast<std::size_t>(at)];
  };
  if (name == "index") return make_integer(index + 1);
  if (name == "index0") return make_integer(index);
  if (name == "revindex") return make_integer(count - index);
  if (name == "revindex0") return make_integer(count - index - 1);
  if (name == "first") return Value(index == 0);
  if (name == "last") return Value(index + 1 == count);
  if (name == "length") return make_integer(count);
  if (name == "depth") return make_integer(1);
  if (name == "depth0") return make_integer(0);
  if (name == "previtem") return neighbour(index - 1, "the item before the first");
  if (name == "nextitem") return neighbour(index + 1, "the item after the last");
  fail(
      "expected an attribute of loop that is supported (index, index0, revindex, revindex0, "
      "first, last, length, depth, depth0, previtem, nextitem), found '" +
      std::string(name) + "'");
}

}  // namespace

bool is_number(const Value& value) {
  return value.integer() != nullptr || value.real() != nullptr || value.boolean() != nullptr;
}

double number_of(const Value& value, std::string_view use) {
  if (const double* real = value.real()) return *real;
  if (const auto integer = as_integer(value)) return static_cast<double>(*integer);
  fail("expected a number for " + std::string(use) + ", found " + describe(value));
}

std::int64_t integer_of(const Value& value, std::string_view use) {
  if (const auto integer = as_integer(value)) return *integer;
  fail("expected an integer for " + std::string(use) + ", found " + describe(value));
}

Value binary(Budget& budget, std::string_view operation, const Value& left, const Value& right) {
  const auto left_integer = as_integer(left);
  const auto right_integer = as_integer(right);
  if (operation == "+") {
    if (left.text() != nullptr && right.text() != nullptr) {
      budget.bytes(left.text()->size() + right.text()->size());
      return make_text(*left.text() + *right.text());
    }
    if (left.list() != nullptr && right.list() != nullptr &&
        left.list()->is_tuple == right.list()->is_tuple) {
      return join(budget, *left.list(), *right.list());
    }
  } else if (operation == "*") {
    const auto repeats = [](const Value& value) {
      return value.text() != nullptr || value.list() != nullptr;
    };
    if (repeats(left) && right_integer) return repeat(budget, left, *right_integer);
    if (repeats(right) && left_integer) return repeat(budget, right, *left_integer);
  } else if (operation == "%" && left.text() != nullptr) {
    fail("formatting by '%' is not supported; '~' and '+' join strings");
  }
  if (!is_number(left) || !is_number(right)) no_operation(operation, left, right);
  const bool root = operation == "**" && right_integer && *right_integer < 0;
  if (left_integer && right_integer && !root) {
    return integer_arithmetic(operation, *left_integer, *right_integer);
  }
  return Value(real_arithmetic(operation, number_of(left, operation), number_of(right, operation)));
}

Value negate(const Value& value) {
  if (const auto integer = as_integer(value)) return integer_arithmetic("-", 0, *integer);
  return Value(-number_of(value, "'-'"));
}

bool are_equal(Budget& budget, const Value& left, const Value& right) {
  budget.step();
  if (is_number(left) && is_number(right)) {
    const auto a = as_integer(left);
    const auto b = as_integer(right);
    if (a && b) return *a == *b;
    return exact(left) == exact(right);
  }
  if (left.text() != nullptr && right.text() != nullptr) {
    budget.bytes(std::min(left.text()->size(), right.text()->size()));
    return *left.text() == *right.text();
  }
  const List* list = left.list();
  const List* other_list = right.list();
  if (list != nullptr && other_list != nullptr) {
    return list->is_tuple == other_list->is_tuple &&
           list->items.size() == other_list->items.size() &&
           std::ranges::equal(list->items, other_list->items, [&](const Value& a, const Value& b) {
             return are_equal(budget, a, b);
           });
  }
  const Dict* dict = left.dict();
  const Dict* other_dict = right.dict();
  if (dict != nullptr && other_dict != nullptr) {
    if (dict->items.size() != other_dict->items.size()) return false;
    return std::ranges::all_of(dict->items, [&](const auto& member) {
      const Value* other = other_dict->find(member.first);
      return other != nullptr && are_equal(budget, member.second, *other);
    });
  }
  if (left.is_undefined() || left.is_none()) return left.data().index() == right.data().index();
  if (left.name_space() != nullptr) return left.name_space() == right.name_space();
  return left.function() != nullptr && left.function() == right.function();
}

bool is_less(Budget& budget, const Value& left, const Value& right) {
  budget.step();
  if (is_number(left) && is_number(right)) {
    const auto a = as_integer(left);
    const auto b = as_integer(right);
    return a && b ? *a < *b : exact(left) < exact(right);
  }
  if (left.text() != nullptr && right.text() != nullptr) {
    budget.bytes(std::min(left.text()->size(), right.text()->size()));
    return *left.text() < *right.text();  // bytes of UTF-8 sort as code points do
  }
  const List* a = left.list();
  const List* b = right.list();
  if (a == nullptr || b == nullptr || a->is_tuple != b->is_tuple) no_operation("<", left, right);
  for (std::size_t i = 0; i < std::min(a->items.size(), b->items.size()); ++i) {
    if (!are_equal(budget, a->items[i], b->items[i])) {
      return is_less(budget, a->items[i], b->items[i]);
    }
  }
  return a->items.size() < b->items.size();
}

bool compare(Budget& budget, std::string_view operation, const Value& left, const Value& right) {
  if (operation == "==") return are_equal(budget, left, right);
  if (operation == "!=") return !are_equal(budget, left, right);
  if (operation == "in") return contains(budget, right, left);
  if (operation == "not in") return !contains(budget, right, left);
  if (operation == "<") return is_less(budget, left, right);
  if (operation == ">") return is_less(budget, right, left);
  // "<=" is no negated ">" for numbers that are not numbers.
  const bool less = operation == "<=" ? is_less(budget, left, right) : is_less(budget, right, left);
  return less || are_equal(budget, left, right);
}

std::vector<Value> elements(Budget& budget, const Value& value) {
  if (value.is_undefined()) return {};
  std::vector<Value> items;
  if (const List* list = value.list()) {
    budget.step(list->items.size());
    return list->items;
  }
  if (const Dict* dict = value.dict()) {
    budget.step(dict->items.size());
    for (const auto& member : dict->items) items.push_back(member.first);
    return items;
  }
  if (const std::string* text = value.text()) {
    budget.step(text->size());
    budget.bytes(text->size() * sizeof(Value));
    for (std::string& character : characters(*text)) {
      items.push_back(make_text(std::move(character)));
    }
    return items;
  }
  fail("expected something to go through (a list, a dict, a string), found " + describe(value));
}

std::size_t length(Budget& budget, const Value& value) {
  if (value.is_undefined()) return 0;
  if (const List* list = value.list()) return list->items.size();
  if (const Dict* dict = value.dict()) return dict->items.size();
  if (const Loop* loop = value.loop()) return loop->items->items.size();
  if (const std::string* text = value.text()) {
    budget.bytes(text->size());
    return code_points_in(*text);
  }
  fail("expected something with a length (a string, a list, a dict), found " + describe(value));
}

Value attribute(Budget& budget, const Value& value, std::string_view name) {
  if (value.is_undefined()) {
    fail("expected a value to take '" + std::string(name) + "' from, found " + describe(value));
  }
  if (has_method(value, name)) {
    return Value(std::make_shared<const Function>(
        Function{Function::Kind::kMethod, std::string(name), value, nullptr, nullptr}));
  }
  if (const Loop* loop = value.loop()) return loop_attribute(*loop, name);
  budget.step();
  if (const Dict* dict = value.dict()) {
    if (const Value* found = dict->find(name)) return *found;
  } else if (const Namespace* space = value.name_space()) {
    const auto place = space->attributes.find(name);
    if (place != space->attributes.end()) return place->second;
  }
  return make_undefined("'" + std::string(name) + "' of " + describe(value));
}

Value item(Budget& budget, const Value& value, const Value& key) {
  if (value.is_undefined()) fail("expected a value to take a part from, found " + describe(value));
  if (const Dict* dict = value.dict();
      dict != nullptr && key.list() == nullptr && key.dict() == nullptr && !key.is_undefined()) {
    if (const Value* found = dict->find(key)) return *found;
  }
  if (const auto index = as_integer(key);
      index && (value.list() != nullptr || value.text() != nullptr)) {
    const std::size_t size = length(budget, value);
    const std::int64_t place = *index < 0 ? *index + static_cast<std::int64_t>(size) : *index;
    if (place >= 0 && static_cast<std::size_t>(place) < size) {
      const auto at = static_cast<std::size_t>(place);
      if (const List* list = value.list()) return list->items[at];
      std::string_view rest = *value.text();
      for (std::size_t i = 0; i < at; ++i) rest.remove_prefix(code_point_at(rest, 0).bytes);
      return make_text(std::string(rest.substr(0, code_point_at(rest, 0).bytes)));
    }
  }
  if (key.text() != nullptr) return attribute(budget, value, *key.text());
  return make_undefined("a part of " + describe(value));
}

Value slice(Budget& budget, const Value& value, const Value& start, const Value& stop,
            const Value& step) {
  if (value.list() == nullptr && value.text() == nullptr) {
    fail("expected a list or a string to slice, found " + describe(value));
  }
  const auto part = [](const Value& bound) -> std::optional<std::int64_t> {
    if (bound.is_none()) return std::nullopt;
    return integer_of(bound, "a slice");
  };
  const auto size = static_cast<std::int64_t>(length(budget, value));
  const std::int64_t by = part(step).value_or(1);
  if (by == 0) fail("expected a step of a slice other than 0");
  // The bounds that Python's slices are cut to; backwards they end before the first item.
  const std::int64_t lowest = by > 0 ? 0 : -1;
  const std::int64_t highest = by > 0 ? size : size - 1;
  const auto place = [&](const std::optional<std::int64_t>& bound, std::int64_t absent) {
    if (!bound) return absent;
    return std::clamp(*bound < 0 ? *bound + size : *bound, lowest, highest);
  };
  const std::int64_t first = place(part(start), by > 0 ? lowest : highest);
  const std::int64_t last = place(part(stop), by > 0 ? highest : lowest);
  const std::vector<Value> items = elements(budget, value);
  std::vector<Value> taken;
  for (std::int64_t i = first; by > 0 ? i < last : i > last;) {
    taken.push_back(items[static_cast<std::size_t>(i)]);
    if (__builtin_add_overflow(i, by, &i)) break;
  }
  if (const List* list = value.list()) return make_list(budget, std::move(taken), list->is_tuple);
  std::string text;
  for (const Value& character : taken) text += *character.text();
  budget.bytes(text.size());
  return make_text(std::move(text));
}

}  // namespace lethe::models::jinja
