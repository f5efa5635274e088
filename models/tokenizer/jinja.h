// SPDX-License-Identifier: Apache-2.0
// Templates in the subset of Jinja that chat templates use (docs/chat-templates.md).
#pragma once

#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "models/tokenizer/jinja_value.h"

namespace lethe::models::jinja {

/// A parsed template, with the settings of transformers: trim_blocks, lstrip_blocks, break and
/// continue, the immutable sandbox. Thread-safe: render() is const and shares no state.
class Template {
 public:
  /// `where` names the template in errors. Throws Error(kModel) with line and column for what is
  /// wrong or not supported.
  Template(std::string_view source, std::string where, const Limits& limits = {});

  /// The text with these variables; `now` is what strftime_now() formats, an error without.
  /// Throws Error(kModel) with line and column: also for raise_exception(), and at a limit.
  std::string render(const json::object& variables, const std::optional<std::tm>& now = {}) const;

 private:
  struct Parsed;
  std::shared_ptr<const Parsed> parsed_;
};

}  // namespace lethe::models::jinja
