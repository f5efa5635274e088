// SPDX-License-Identifier: Apache-2.0
// Python's operators on values. All throw Fault for operands that do not fit.
#pragma once

#include <string_view>
#include <vector>

#include "models/tokenizer/jinja_value.h"

namespace lethe::models::jinja {

/// + - * / // % **
Value binary(Budget& budget, std::string_view operation, const Value& left, const Value& right);
/// == != < <= > >= in, not in
bool compare(Budget& budget, std::string_view operation, const Value& left, const Value& right);
bool are_equal(Budget& budget, const Value& left, const Value& right);
/// Whether `left` comes first, as Python's "<".
bool is_less(Budget& budget, const Value& left, const Value& right);
Value negate(const Value& value);
/// A number, with booleans as 0 and 1; throws Fault that says what `use` needs.
double number_of(const Value& value, std::string_view use);
/// An integer, with booleans as 0 and 1; throws Fault that says what `use` needs.
std::int64_t integer_of(const Value& value, std::string_view use);
bool is_number(const Value& value);

/// What a loop over the value visits: items, keys or characters; nothing for undefined.
std::vector<Value> elements(Budget& budget, const Value& value);
/// Python's len(); 0 for undefined.
std::size_t length(Budget& budget, const Value& value);

/// value.name and value[key]; undefined when there is none.
Value attribute(Budget& budget, const Value& value, std::string_view name);
Value item(Budget& budget, const Value& value, const Value& key);
/// value[start:stop:step]; none or undefined parts are absent ones.
Value slice(Budget& budget, const Value& value, const Value& start, const Value& stop,
            const Value& step);

}  // namespace lethe::models::jinja
