// SPDX-License-Identifier: Apache-2.0
// The tokens that stand above the vocabulary in tokenizer.json ("added_tokens").
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "models/tokenizer/special_tokens.h"

namespace lethe::models {

/// One entry of "added_tokens".
struct AddedToken {
  std::int32_t id = 0;
  std::string content;
  bool special = false;      ///< looked for only where special tokens are parsed
  bool normalized = false;   ///< looked for in normalised text
  bool lstrip = false;       ///< takes the white space before it
  bool rstrip = false;       ///< takes the white space behind it
  bool single_word = false;  ///< only between non-word characters
};

/// Cuts text at added tokens. Thread-safe.
class AddedTokens {
 public:
  /// `text` is what is looked for: the content, normalised where the token asks for it.
  void add(AddedToken token, std::string_view text);

  /// Calls `part(text, token)` with the tokens that are found and the text between them, where
  /// `token` is null. Special tokens count only with `parse_special`.
  void split(std::string_view text, bool parse_special,
             const std::function<void(std::string_view, const AddedToken*)>& part) const;
  bool empty() const { return tokens_.empty(); }

 private:
  std::vector<AddedToken> tokens_;
  SpecialTokens texts_;  ///< -> index of tokens_
};

}  // namespace lethe::models
