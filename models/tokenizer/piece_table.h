// SPDX-License-Identifier: Apache-2.0
// The pieces of a SentencePiece vocabulary, and their way back to text.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/tokenizer/special_tokens.h"
#include "models/tokenizer/token_kind.h"
#include "models/tokenizer/tokenizer.h"

namespace lethe::models {

/// Texts and kinds of pieces by id.
struct PieceTable {
  /// How much white space is taken from the head of a decoded text.
  enum class HeadSpace { kKept, kOneDropped, kAllDropped };

  std::vector<std::string> texts;
  std::vector<TokenKind> kinds;  ///< as many
  HeadSpace head_space = HeadSpace::kOneDropped;

  std::int64_t size() const { return static_cast<std::int64_t>(texts.size()); }
  /// Bytes of the ids. Throws Error(kData) for an id that is none.
  std::string decode(const std::vector<std::int64_t>& ids, bool skip_special,
                     BrokenBytes broken) const;
  /// Control and unknown pieces, which text becomes only where special tokens are parsed.
  SpecialTokens special_tokens() const;
};

}  // namespace lethe::models
