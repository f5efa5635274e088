// SPDX-License-Identifier: Apache-2.0
// The filters and tests of the template language.
#pragma once

#include <string>
#include <string_view>

#include "models/tokenizer/jinja_methods.h"
#include "models/tokenizer/jinja_value.h"

namespace lethe::models::jinja {

/// value | name(arguments). Throws Fault, also for a filter that is not supported.
Value apply_filter(Budget& budget, std::string_view name, const Value& value, Arguments& arguments);

/// value is name(arguments). Throws Fault, also for a test that is not supported.
bool apply_test(Budget& budget, std::string_view name, const Value& value, Arguments& arguments);

/// Text for HTML.
std::string escaped(Budget& budget, std::string_view text);

}  // namespace lethe::models::jinja
