// SPDX-License-Identifier: Apache-2.0
// Regular expressions of tokenizers, matched by PCRE2.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace lethe::models {

/// Rewrites an expression of Oniguruma's Ruby syntax, in which tokenizer.json is written, as one of
/// PCRE2 with the same meaning. Throws Error(kModel) naming `where`, the construct and its place
/// when the expression holds something that the two read differently or that is not known here.
std::string pcre2_from_oniguruma(std::string_view expression, std::string_view where);

/// A compiled expression. Thread-safe.
class Regex {
 public:
  /// `pattern` in PCRE2's syntax. Throws Error(kModel) naming `where` when it cannot be compiled.
  Regex(std::string pattern, std::string_view where);
  ~Regex();
  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;

  /// Calls `part(text, is_match)` with the matches and with what lies between, in order, without
  /// gaps. `text` must be UTF-8. Throws Error(kModel) when matching takes more steps than are
  /// allowed (an expression of exponential cost).
  void split(std::string_view text, const std::function<void(std::string_view, bool)>& part) const;
  const std::string& pattern() const { return pattern_; }

 private:
  struct Compiled;
  std::string pattern_;
  std::string where_;
  std::unique_ptr<Compiled> compiled_;
};

}  // namespace lethe::models
