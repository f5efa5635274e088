// SPDX-License-Identifier: Apache-2.0
#include "models/tokenizer/piece_tokenizer.h"

#include "harness/base/error.h"
#include "harness/base/text.h"
#include "models/tokenizer/content_hash.h"
#include "models/tokenizer/post_processor.h"

namespace lethe::models {

PieceTokenizer::PieceTokenizer(PieceTable table, Facts facts, std::string_view identity,
                               std::string_view where)
    : table_(std::move(table)), facts_(std::move(facts)), special_(table_.special_tokens()) {
  const auto check = [&](const std::optional<std::int64_t>& id, bool added, const char* name) {
    if (added && !id) {
      throw Error(ErrorKind::kModel, std::string(where) + ": expected " + name +
                                         " because it is added to texts, found none");
    }
    if (id && (*id < 0 || *id >= table_.size())) {
      throw Error(ErrorKind::kModel,
                  std::string(where) + ": expected a " + name + " id below the vocabulary size " +
                      std::to_string(table_.size()) + ", found " + std::to_string(*id));
    }
  };
  check(facts_.bos_id, facts_.adds_bos, "BOS");
  check(facts_.eos_id, facts_.adds_eos, "EOS");
  Sha256 hash;
  hash_text(hash, "lethe pieces 1");
  hash_text(hash, identity);
  hash.update(std::to_string(facts_.bos_id.value_or(-1)) + (facts_.adds_bos ? " bos" : "") +
              (facts_.adds_eos ? " eos" : ""));
  content_sha256_ = hash.hex();
}

std::vector<std::int64_t> PieceTokenizer::encode(std::string_view text, bool parse_special) const {
  check_utf8(text, "the text to tokenize");
  std::vector<std::int64_t> ids;
  std::size_t at = 0;
  while (at < text.size()) {
    const auto match = parse_special ? special_.find(text, at) : std::nullopt;
    const std::size_t end = match ? match->begin : text.size();
    if (end > at) encode_ordinary(text.substr(at, end - at), ids);
    if (!match) break;
    ids.push_back(match->token);
    at = end + match->length;
  }
  return ids;
}

Encoding PieceTokenizer::encode_with_special(std::string_view text,
                                             std::optional<std::string_view> second,
                                             bool parse_special) const {
  const auto surroundings = bos_eos_surroundings(facts_.adds_bos ? facts_.bos_id : std::nullopt,
                                                 facts_.adds_eos ? facts_.eos_id : std::nullopt);
  const auto first_ids = encode(text, parse_special);
  if (!second) return lay_out(surroundings, first_ids, nullptr);
  const auto second_ids = encode(*second, parse_special);
  return lay_out(surroundings, first_ids, &second_ids);
}

}  // namespace lethe::models
