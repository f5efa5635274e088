// SPDX-License-Identifier: Apache-2.0
// The functions that every template can call.
#pragma once

#include <ctime>
#include <optional>
#include <string_view>

#include "models/tokenizer/jinja_methods.h"
#include "models/tokenizer/jinja_value.h"

namespace lethe::models::jinja {

/// The function of this name, or nothing.
std::optional<Value> find_global(std::string_view name);

/// Calls it. Throws Fault; raise_exception() does nothing else.
Value call_global(Budget& budget, std::string_view name, Arguments& arguments,
                  const std::optional<std::tm>& now);

}  // namespace lethe::models::jinja
