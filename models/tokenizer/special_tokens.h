// SPDX-License-Identifier: Apache-2.0
// Finding the texts of special tokens: leftmost first, longest among those that start together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "models/tokenizer/byte_trie.h"

namespace lethe::models {

/// A set of token texts to look for.
class SpecialTokens {
 public:
  struct Match {
    std::size_t begin;
    std::size_t length;
    std::int32_t token;
  };

  /// An empty text is never found.
  void add(std::string_view text, std::int32_t token) {
    if (!text.empty()) texts_.add(text, token);
  }
  /// The first match at or after `from`.
  std::optional<Match> find(std::string_view text, std::size_t from) const;

 private:
  ByteTrie texts_;
};

}  // namespace lethe::models
