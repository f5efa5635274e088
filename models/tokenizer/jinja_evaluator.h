// SPDX-License-Identifier: Apache-2.0
// A syntax tree and variables to text.
#pragma once

#include <ctime>
#include <optional>
#include <string>

#include "models/tokenizer/jinja_ast.h"
#include "models/tokenizer/jinja_lexer.h"

namespace lethe::models::jinja {

/// The text of `body`, which was parsed from `source`, with these variables. `now` is what
/// strftime_now() formats. Throws Error(kModel) with line and column.
std::string evaluate(const Source& source, const Body& body, const json::object& variables,
                     const std::optional<std::tm>& now, const Limits& limits);

}  // namespace lethe::models::jinja
