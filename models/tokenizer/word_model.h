// SPDX-License-Identifier: Apache-2.0
// Models of tokenizer.json: one word to the ids of its tokens.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "harness/base/json.h"

namespace lethe::models {

/// Texts of tokens to ids, by view into strings that outlive it.
using TokenIds = std::unordered_map<std::string_view, std::int32_t>;

/// Turns words into ids. Thread-safe.
class WordModel {
 public:
  virtual ~WordModel() = default;
  /// Appends the ids of `word` (normalised UTF-8, not empty).
  virtual void encode(std::string_view word, std::vector<std::int32_t>& ids) const = 0;
  /// Calls `part` with parts of `word`, in order, that may be encoded one by one with the same
  /// result: by default the word itself.
  virtual void cut(std::string_view word, const std::function<void(std::string_view)>& part) const {
    part(word);
  }
  /// Text of every id; an id without a token has none.
  const std::vector<std::string>& tokens() const { return tokens_; }

 protected:
  std::vector<std::string> tokens_;
};

/// The member "model": BPE, WordPiece or Unigram. Throws Error(kModel) naming `where` for another
/// type, and for a vocabulary that contradicts itself.
std::unique_ptr<WordModel> make_word_model(const json::value& value, const std::string& where);

/// Each type's own; see make_word_model().
std::unique_ptr<WordModel> make_bpe_model(ObjectReader& reader);
std::unique_ptr<WordModel> make_wordpiece_model(ObjectReader& reader);
std::unique_ptr<WordModel> make_unigram_model(ObjectReader& reader);

/// The member "vocab" of the form {"token": id}: texts by id. Throws Error(kModel) for ids that are
/// no whole numbers from 0 to 2^24, or that occur twice.
std::vector<std::string> read_vocabulary(ObjectReader& reader);

/// Ids by text; texts of ids without a token are left out.
TokenIds ids_by_text(const std::vector<std::string>& tokens);

/// The ids of <0x00> … <0xFF>, -1 where there is none.
std::vector<std::int32_t> byte_token_ids(const TokenIds& ids);

}  // namespace lethe::models
