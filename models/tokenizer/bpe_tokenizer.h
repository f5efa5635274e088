// SPDX-License-Identifier: Apache-2.0
// Byte-level byte-pair encoding (GPT-2 and its descendants).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/tokenizer/token_kind.h"
#include "models/tokenizer/tokenizer.h"

namespace lethe::models {

/// Everything that decides the ids, as files store it.
struct BpeDescription {
  std::vector<std::string_view> tokens;  ///< in GPT-2's alphabet; special tokens as plain text
  std::vector<TokenKind> kinds;          ///< one per token
  std::vector<std::string_view> merges;  ///< "left right", best first
  std::string pre_tokenizer;
  std::optional<std::int64_t> bos_id;
  std::optional<std::int64_t> eos_id;
  std::vector<std::int64_t> eos_ids;  ///< every id that ends a text or a turn
  bool adds_bos = false;
};

/// Builds a tokenizer; the description's texts are copied. Throws Error(kModel) naming `where` for
/// merges or ids outside the vocabulary, repeated tokens, or an unknown pre-tokenizer.
///
/// Control and unknown tokens count as special: they are parsed only where asked, and skipped by
/// decode(skip_special). User-defined tokens are parsed always, as llama.cpp and Hugging Face do.
/// A byte for which the vocabulary has no token is dropped, as both of them do: SmolLM2 lacks six
/// ASCII control characters.
std::unique_ptr<Tokenizer> make_bpe_tokenizer(const BpeDescription& description,
                                              std::string_view where);

}  // namespace lethe::models
