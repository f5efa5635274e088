// SPDX-License-Identifier: Apache-2.0
// Decoders of tokenizer.json: from the texts of tokens back to text.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "harness/base/json.h"
#include "models/tokenizer/tokenizer.h"

namespace lethe::models {

/// Turns the texts of tokens into parts of the text, whose concatenation it is. Thread-safe.
class TokenDecoder {
 public:
  virtual ~TokenDecoder() = default;
  virtual void apply(std::vector<std::string>& tokens, BrokenBytes broken) const = 0;
};

/// The member "decoder": ByteLevel, ByteFallback, Fuse, Strip, Replace, WordPiece, Metaspace,
/// BPEDecoder or a Sequence of them. Nothing for null. Bytes that are not UTF-8 stay as they are,
/// but for those of ByteFallback where they are to be replaced. Throws Error(kModel) naming `where`
/// for anything else.
std::unique_ptr<TokenDecoder> make_token_decoder(const json::value& value,
                                                 const std::string& where);

}  // namespace lethe::models
