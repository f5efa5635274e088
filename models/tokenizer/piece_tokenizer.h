// SPDX-License-Identifier: Apache-2.0
// What tokenizers over SentencePiece vocabularies share, wherever the vocabulary is stored.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/tokenizer/piece_table.h"
#include "models/tokenizer/tokenizer.h"

namespace lethe::models {

/// Special tokens, decoding and facts; how ordinary text is split is the subclass's.
///
/// A mark for a space is put before every ordinary text, also behind a special token, as the
/// published Llama-2 tokenizer and llama.cpp do ("legacy" in transformers).
class PieceTokenizer : public Tokenizer {
 public:
  /// What a checkpoint says beside its pieces.
  struct Facts {
    std::optional<std::int64_t> bos_id;
    std::optional<std::int64_t> eos_id;
    std::vector<std::int64_t> eos_ids;  ///< ascending
    bool adds_bos = false;
    bool adds_eos = false;
  };

  std::vector<std::int64_t> encode(std::string_view text, bool parse_special) const final;
  Encoding encode_with_special(std::string_view text, std::optional<std::string_view> second,
                               bool parse_special) const final;
  std::string decode(const std::vector<std::int64_t>& ids, bool skip_special) const final {
    return table_.decode(ids, skip_special, BrokenBytes::kKept);
  }
  std::string decode_text(const std::vector<std::int64_t>& ids, bool skip_special) const final {
    return printable_utf8(table_.decode(ids, skip_special, BrokenBytes::kReplaced));
  }
  std::int64_t vocab_size() const final { return table_.size(); }
  std::optional<std::int64_t> bos_id() const final { return facts_.bos_id; }
  std::optional<std::int64_t> eos_id() const final { return facts_.eos_id; }
  std::vector<std::int64_t> eos_ids() const final { return facts_.eos_ids; }
  bool adds_bos() const final { return facts_.adds_bos; }
  std::string content_sha256() const final { return content_sha256_; }

 protected:
  /// `identity` is what decides ids beside the facts. Throws Error(kModel) naming `where` for ids
  /// outside the vocabulary, and for a BOS or EOS to be added that is not there.
  PieceTokenizer(PieceTable table, Facts facts, std::string_view identity, std::string_view where);
  const PieceTable& table() const { return table_; }

 private:
  virtual void encode_ordinary(std::string_view text, std::vector<std::int64_t>& ids) const = 0;

  PieceTable table_;
  Facts facts_;
  SpecialTokens special_;
  std::string content_sha256_;
};

}  // namespace lethe::models
