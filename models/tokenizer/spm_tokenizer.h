// SPDX-License-Identifier: Apache-2.0
// SentencePiece's BPE from pieces and scores, as GGUF stores Llama-2's tokenizer.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "models/tokenizer/piece_tokenizer.h"

namespace lethe::models {

/// Everything that decides the ids, as GGUF stores it.
struct SpmDescription {
  PieceTable table;
  std::vector<float> scores;  ///< one per piece; the highest is merged first
  bool adds_space = true;     ///< a space before every text
  PieceTokenizer::Facts facts;
};

/// Builds a tokenizer that merges, of all neighbours whose union is a piece, those of the best
/// score first, leftmost among equals (SentencePiece's BPE; the result is the same). A character
/// without a piece becomes its byte pieces, or the unknown piece where a byte has none. Throws
/// Error(kModel) naming `where` for a description that contradicts itself.
std::unique_ptr<Tokenizer> make_spm_tokenizer(SpmDescription description, std::string_view where);

}  // namespace lethe::models
