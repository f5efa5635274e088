// SPDX-License-Identifier: Apache-2.0
// Template text to a syntax tree.
#pragma once

#include "models/tokenizer/jinja_ast.h"
#include "models/tokenizer/jinja_lexer.h"

namespace lethe::models::jinja {

/// Throws Error(kModel) with line and column for what is wrong, not supported, or nested too deep.
Body parse(const Source& source);

}  // namespace lethe::models::jinja
