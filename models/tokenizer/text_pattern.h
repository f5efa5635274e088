// SPDX-License-Identifier: Apache-2.0
// {"String": …} or {"Regex": …}: what "Split" and "Replace" of tokenizer.json look for.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "harness/base/json.h"
#include "models/tokenizer/regex.h"

namespace lethe::models {

/// A fixed text or a regular expression. Thread-safe.
class TextPattern {
 public:
  /// Throws Error(kModel) naming `where` when `value` is neither of the two forms.
  TextPattern(const json::value& value, const std::string& where);

  /// Calls `part(text, is_match)` with the matches and what lies between, in order, without gaps.
  void split(std::string_view text, const std::function<void(std::string_view, bool)>& part) const;

 private:
  std::string fixed_;
  std::optional<Regex> regex_;
};

}  // namespace lethe::models
