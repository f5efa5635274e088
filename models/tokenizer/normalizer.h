// SPDX-License-Identifier: Apache-2.0
// Normalizers of tokenizer.json: what happens to text before it is split into words.
#pragma once

#include <memory>
#include <string>

#include "harness/base/json.h"
#include "models/tokenizer/piece.h"

namespace lethe::models {

/// Rewrites text. Thread-safe.
class Normalizer {
 public:
  virtual ~Normalizer() = default;
  virtual void apply(Piece& piece) const = 0;
};

/// The member "normalizer": NFC, NFD, NFKC, NFKD, Lowercase, StripAccents, Strip, Replace, Prepend,
/// BertNormalizer, ByteLevel or a Sequence of them. Nothing for null. Throws Error(kModel) naming
/// `where` for anything else.
std::unique_ptr<Normalizer> make_normalizer(const json::value& value, const std::string& where);

}  // namespace lethe::models
