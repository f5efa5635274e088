// SPDX-License-Identifier: Apache-2.0
#include "models/tokenizer/jinja_value.h"

#include <algorithm>
#include <cmath>

#include "models/tokenizer/jinja_format.h"

namespace lethe::models::jinja {
namespace {

// Deep enough for any schema of a tool; destructors and printing recurse this far.
constexpr int kDeepestValue = 64;

template <typename T>
const T* held(const Value::Data& data) {
  const auto* pointer = std::get_if<std::shared_ptr<const T>>(&data);
  return pointer == nullptr ? nullptr : pointer->get();
}

int depth_of(const Value& value) {
  if (const List* list = value.list()) return list->depth;
  if (const Dict* dict = value.dict()) return dict->depth;
  return 0;
}

int depth_around(int inner) {
  if (inner >= kDeepestValue) {
    fail("expected lists and dicts nested at most " + std::to_string(kDeepestValue) +
         " deep, found more");
  }
  return inner + 1;
}

// Equal texts for equal keys, as Python's hash and equality have them.
std::string key_of(const Value& value) {
  if (const std::string* text = value.text()) return "s" + *text;
  if (value.is_none()) return "none";
  if (const bool* flag = value.boolean()) return *flag ? "i1" : "i0";
  if (const auto* integer = value.integer()) return "i" + std::to_string(*integer);
  if (const double* real = value.real()) {
    if (std::abs(*real) < 0x1p63 && *real == std::floor(*real)) {
      return "i" + std::to_string(static_cast<std::int64_t>(*real));
    }
    return "r" + float_text(*real);
  }
  fail("expected a key that is a string, a number or none, found " + describe(value));
}

}  // namespace

void fail(std::string message) {
  throw Fault{std::move(message)};
}

void Budget::step(std::size_t count) {
  if (count > limits_.steps - steps_) {
    fail("the template needs more than " + std::to_string(limits_.steps) +
         " steps, the limit of one rendering");
  }
  steps_ += count;
}

void Budget::bytes(std::size_t count) {
  if (count > limits_.bytes - bytes_) {
    fail("the template needs more than " + std::to_string(limits_.bytes) +
         " bytes of values, the limit of one rendering");
  }
  bytes_ += count;
}

const std::string* Value::text() const {
  return held<std::string>(data_);
}
const List* Value::list() const {
  return held<List>(data_);
}
const Dict* Value::dict() const {
  return held<Dict>(data_);
}
const Loop* Value::loop() const {
  return held<Loop>(data_);
}
const Function* Value::function() const {
  return held<Function>(data_);
}
Namespace* Value::name_space() const {
  const auto* pointer = std::get_if<std::shared_ptr<Namespace>>(&data_);
  return pointer == nullptr ? nullptr : pointer->get();
}

const Value* Dict::find(const Value& key) const {
  const auto place = places.find(key_of(key));
  return place == places.end() ? nullptr : &items[place->second].second;
}

const Value* Dict::find(std::string_view key) const {
  const auto place = places.find("s" + std::string(key));
  return place == places.end() ? nullptr : &items[place->second].second;
}

Value make_text(std::string text) {
  return Value(std::make_shared<const std::string>(std::move(text)));
}

Value make_integer(std::int64_t value) {
  return Value(value);
}

Value make_undefined(std::string what) {
  return Value(Undefined{std::make_shared<const std::string>(std::move(what))});
}

void check_storable(const Value& value) {
  if (value.name_space() != nullptr || value.function() != nullptr || value.loop() != nullptr) {
    fail("expected a value that a list, a dict or a namespace can keep, found " + describe(value) +
         ", which is not supported there");
  }
}

Value make_list(Budget& budget, std::vector<Value> items, bool is_tuple) {
  budget.step(items.size());
  budget.bytes(items.size() * sizeof(Value));
  int inner = 0;
  for (const Value& item : items) {
    check_storable(item);
    inner = std::max(inner, depth_of(item));
  }
  return Value(std::make_shared<const List>(List{std::move(items), is_tuple, depth_around(inner)}));
}

Value make_dict(Budget& budget, std::vector<std::pair<Value, Value>> items) {
  budget.step(items.size());
  Dict dict;
  int inner = 0;
  for (auto& [key, value] : items) {
    check_storable(value);
    inner = std::max({inner, depth_of(key), depth_of(value)});
    std::string name = key_of(key);
    budget.bytes(2 * sizeof(Value) + name.size());
    const auto [place, is_new] = dict.places.emplace(std::move(name), dict.items.size());
    if (is_new) {
      dict.items.emplace_back(std::move(key), std::move(value));
    } else {
      dict.items[place->second].second = std::move(value);
    }
  }
  dict.depth = depth_around(inner);
  return Value(std::make_shared<const Dict>(std::move(dict)));
}

Value from_json(Budget& budget, const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      return Value(None{});
    case json::kind::bool_:
      return Value(value.get_bool());
    case json::kind::int64:
      return make_integer(value.get_int64());
    case json::kind::uint64:
      fail("expected integers that fit 64 bits with a sign, found " +
           std::to_string(value.get_uint64()));
    case json::kind::double_:
      return Value(value.get_double());
    case json::kind::string:
      budget.grow(value.get_string().size());
      budget.bytes(value.get_string().size());
      return make_text(std::string(value.get_string()));
    case json::kind::array: {
      std::vector<Value> items;
      items.reserve(value.get_array().size());
      for (const json::value& item : value.get_array()) items.push_back(from_json(budget, item));
      budget.grow(items.size());
      return make_list(budget, std::move(items));
    }
    case json::kind::object:
      break;
  }
  std::vector<std::pair<Value, Value>> items;
  for (const auto& [name, item] : value.get_object()) {
    items.emplace_back(make_text(std::string(name)), from_json(budget, item));
  }
  budget.grow(items.size());
  return make_dict(budget, std::move(items));
}

bool is_true(const Value& value) {
  if (value.is_undefined() || value.is_none()) return false;
  if (const bool* flag = value.boolean()) return *flag;
  if (const auto* integer = value.integer()) return *integer != 0;
  if (const double* real = value.real()) return *real != 0;
  if (const std::string* text = value.text()) return !text->empty();
  if (const List* list = value.list()) return !list->items.empty();
  if (const Dict* dict = value.dict()) return !dict->items.empty();
  return true;
}

std::string describe(const Value& value) {
  if (value.is_undefined()) {
    const auto& what = std::get<Undefined>(value.data()).what;
    return what == nullptr ? "an undefined value" : *what + ", which is undefined";
  }
  if (value.is_none()) return "none";
  if (value.boolean() != nullptr) return "a boolean";
  if (value.integer() != nullptr) return "an integer";
  if (value.real() != nullptr) return "a float";
  if (value.text() != nullptr) return "a string";
  if (const List* list = value.list()) return list->is_tuple ? "a tuple" : "a list";
  if (value.dict() != nullptr) return "a dict";
  if (value.name_space() != nullptr) return "a namespace";
  if (const Function* function = value.function()) return "the function '" + function->name + "'";
  return "a loop";
}

}  // namespace lethe::models::jinja
