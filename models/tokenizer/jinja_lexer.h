// SPDX-License-Identifier: Apache-2.0
// Template text to tokens, with the white space rules that transformers sets.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::models::jinja {

enum class TokenType {
  kData,  ///< text outside tags, white space control already applied
  kBlockBegin,
  kBlockEnd,
  kVariableBegin,
  kVariableEnd,
  kName,
  kString,  ///< escapes already resolved
  kInteger,
  kFloat,
  kOperator,
  kEnd
};

struct Token {
  TokenType type;
  std::string text;
  std::size_t offset;  ///< into the source, for messages
};

/// A template's text: line ends are "\n", and one at the very end is dropped, as jinja2 does.
class Source {
 public:
  /// `where` names it in errors. Throws Error(kModel) when `text` is no UTF-8 or above `most`
  /// bytes.
  Source(std::string_view text, std::string where, std::size_t most);
  const std::string& text() const { return text_; }
  /// Throws Error(kModel): name of the template, line, column, message.
  [[noreturn]] void fail_at(std::size_t offset, const std::string& message) const;

 private:
  std::string text_;
  std::string where_;
};

/// Tokens with trim_blocks and lstrip_blocks on; comments are dropped. Throws Error(kModel).
std::vector<Token> lex(const Source& source);

}  // namespace lethe::models::jinja
