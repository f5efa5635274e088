// SPDX-License-Identifier: Apache-2.0
// Pre-tokenizers of tokenizer.json: where words begin and end.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "harness/base/json.h"
#include "models/tokenizer/piece.h"

namespace lethe::models {

/// Splits pieces into words. Thread-safe.
class WordSplitter {
 public:
  virtual ~WordSplitter() = default;
  /// Replaces every piece by its words; empty ones vanish.
  virtual void split(std::vector<Piece>& pieces) const = 0;
};

/// The member "pre_tokenizer": ByteLevel, Split, Digits, Whitespace, WhitespaceSplit, Punctuation,
/// Metaspace, BertPreTokenizer or a Sequence of them. Nothing for null. Throws Error(kModel) naming
/// `where` for anything else.
std::unique_ptr<WordSplitter> make_word_splitter(const json::value& value,
                                                 const std::string& where);

}  // namespace lethe::models
