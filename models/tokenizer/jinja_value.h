// SPDX-License-Identifier: Apache-2.0
// Values of the template language: what a variable holds, and the budget that making them costs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "harness/base/json.h"

namespace lethe::models::jinja {

/// What went wrong, without its place: the evaluator adds template, line and column.
struct Fault {
  std::string message;
};
[[noreturn]] void fail(std::string message);

/// What one rendering may use. Whatever a template does costs steps or bytes, so none can hang or
/// fill the memory.
struct Limits {
  std::size_t source_bytes = std::size_t{1} << 20;
  std::size_t steps = 4'000'000;                     ///< nodes evaluated, elements visited
  std::size_t bytes = std::size_t{128} << 20;        ///< made or searched, freed or not
  std::size_t bytes_per_input_byte = 64;             ///< added to `bytes`: long texts are copied
  std::size_t output_bytes = std::size_t{64} << 20;  ///< of the rendered text
};

/// Counts one rendering's use. Both throw Fault at the limit.
class Budget {
 public:
  explicit Budget(const Limits& limits) : limits_(limits) {}
  void step(std::size_t count = 1);
  void bytes(std::size_t count);
  void grow(std::size_t input_bytes) {
    limits_.bytes += input_bytes * limits_.bytes_per_input_byte;
  }
  std::size_t output_bytes() const { return limits_.output_bytes; }

 private:
  Limits limits_;
  std::size_t steps_ = 0;
  std::size_t bytes_ = 0;
};

struct List;
struct Dict;
struct Namespace;
struct Function;
struct Loop;

struct None {};
/// `what` says for messages what was not there.
struct Undefined {
  std::shared_ptr<const std::string> what;
};
using Text = std::shared_ptr<const std::string>;

/// A value; copies share what they hold, which only a namespace can change.
class Value {
 public:
  using Data =
      std::variant<Undefined, None, bool, std::int64_t, double, Text, std::shared_ptr<const List>,
                   std::shared_ptr<const Dict>, std::shared_ptr<Namespace>,
                   std::shared_ptr<const Function>, std::shared_ptr<const Loop>>;
  Value() = default;
  explicit Value(Data data) : data_(std::move(data)) {}

  bool is_undefined() const { return std::holds_alternative<Undefined>(data_); }
  bool is_none() const { return std::holds_alternative<None>(data_); }
  /// The content, or nullptr when the value is of another type. Text is UTF-8.
  const bool* boolean() const { return std::get_if<bool>(&data_); }
  const std::int64_t* integer() const { return std::get_if<std::int64_t>(&data_); }
  const double* real() const { return std::get_if<double>(&data_); }
  const std::string* text() const;
  const List* list() const;
  const Dict* dict() const;
  const Loop* loop() const;
  const Function* function() const;
  Namespace* name_space() const;
  const Data& data() const { return data_; }

 private:
  Data data_;
};

/// A list or a tuple. `depth` counts nested containers.
struct List {
  std::vector<Value> items;
  bool is_tuple = false;
  int depth = 1;
};

/// In the order of insertion. Keys are equal as in Python: 1, 1.0 and true are one key.
struct Dict {
  std::vector<std::pair<Value, Value>> items;
  std::map<std::string, std::size_t> places;
  int depth = 1;

  const Value* find(const Value& key) const;
  const Value* find(std::string_view key) const;
};

struct Namespace {
  std::map<std::string, Value, std::less<>> attributes;
};

struct Scope;
struct Statement;

/// Something that can be called: a global function, a method of a value, or a macro.
struct Function {
  enum class Kind { kGlobal, kMethod, kMacro };
  Kind kind;
  std::string name;
  Value self;                        ///< of a method
  const Statement* macro = nullptr;  ///< lives as long as the template
  Scope* scope = nullptr;            ///< where the macro stands; outlives every copy of it
};

/// `loop` of one pass through a loop's body.
struct Loop {
  std::shared_ptr<const List> items;
  std::size_t index = 0;
};

Value make_text(std::string text);
Value make_integer(std::int64_t value);
Value make_undefined(std::string what);
/// Charges the elements. Throws Fault when containers nest too deep, or hold a namespace, a
/// function or a loop: those may refer back to the container, and nothing would free the ring.
Value make_list(Budget& budget, std::vector<Value> items, bool is_tuple = false);
/// Later values replace earlier ones of the same key. Throws Fault as make_list() does, and for
/// keys that are no string, number or none.
Value make_dict(Budget& budget, std::vector<std::pair<Value, Value>> items);
/// Throws Fault when `value` may not be kept in a container.
void check_storable(const Value& value);
/// Throws Fault for numbers beyond 64 bits.
Value from_json(Budget& budget, const json::value& value);

/// Python's truth of a value.
bool is_true(const Value& value);
/// "a string", "a list", … for messages.
std::string describe(const Value& value);

}  // namespace lethe::models::jinja
