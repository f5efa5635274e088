// SPDX-License-Identifier: Apache-2.0
#include "models/tokenizer/spm_tokenizer.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "harness/base/error.h"
#include "harness/base/text.h"
#include "models/tokenizer/bpe_merges.h"
#include "models/tokenizer/metaspace.h"
#include "models/tokenizer/seen_words.h"

namespace lethe::models {
namespace {

/// Pieces that text can become by merging.
bool is_mergeable(TokenKind kind) {
  return kind == TokenKind::kNormal || kind == TokenKind::kUnused;
}

class SpmModel final : public WordModel {
 public:
  SpmModel(const SpmDescription& description, std::string_view where) {
    const PieceTable& table = description.table;
    tokens_ = table.texts;
    const auto fail = [&](std::size_t piece, const std::string& what) {
      throw Error(ErrorKind::kModel,
                  std::string(where) + ": piece " + std::to_string(piece) + ": " + what);
    };
    if (tokens_.empty() || table.kinds.size() != tokens_.size() ||
        description.scores.size() != tokens_.size()) {
      throw Error(ErrorKind::kModel, std::string(where) +
                                         ": expected a type and a score for every piece, found " +
                                         std::to_string(tokens_.size()) + " pieces, " +
                                         std::to_string(table.kinds.size()) + " types, " +
                                         std::to_string(description.scores.size()) + " scores");
    }
    TokenIds bytes;
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      const auto id = static_cast<std::int32_t>(i);
      if (table.kinds[i] == TokenKind::kUnknown) unknown_ = id;
      if (table.kinds[i] == TokenKind::kByte) bytes.emplace(tokens_[i], id);
      if (!is_mergeable(table.kinds[i]) || tokens_[i].empty()) continue;
      if (first_invalid_utf8(tokens_[i])) fail(i, "expected UTF-8");
      if (!std::isfinite(description.scores[i])) fail(i, "expected a finite score");
      if (!symbols_.emplace(tokens_[i], id).second) {
        fail(i, "expected every piece once, found '" + tokens_[i] + "' again");
      }
    }
    of_byte_ = byte_token_ids(bytes);
    if (unknown_ == kNone && std::ranges::find(of_byte_, kNone) != of_byte_.end()) {
      throw Error(ErrorKind::kModel, std::string(where) +
                                         ": expected an unknown piece or pieces for all 256 bytes, "
                                         "found neither");
    }
    add_merges(description);
  }

  void encode(std::string_view word, std::vector<std::int32_t>& ids) const override {
    std::vector<std::int32_t> symbols;
    std::vector<std::string_view> strangers;  // characters without a symbol, numbered from -2 down
    for (std::size_t at = 0; at < word.size();) {
      const std::string_view character = word.substr(at, utf8_length(word[at]));
      const auto found = symbols_.find(character);
      if (found == symbols_.end()) {
        strangers.push_back(character);
        symbols.push_back(-1 - static_cast<std::int32_t>(strangers.size()));
      } else {
        symbols.push_back(found->second);
      }
      at += character.size();
    }
    BpeMerger(merges_).merge(symbols);
    bool after_unknown = false;
    for (const std::int32_t symbol : symbols) {
      if (symbol >= 0 && symbol < static_cast<std::int32_t>(tokens_.size())) {
        ids.push_back(symbol);
        after_unknown = false;
        continue;
      }
      const std::string_view text =
          symbol < 0 ? strangers[static_cast<std::size_t>(-2 - symbol)]
                     : extra_characters_[static_cast<std::size_t>(symbol) - tokens_.size()];
      const auto id_of = [&](char byte) { return of_byte_[static_cast<unsigned char>(byte)]; };
      if (std::ranges::all_of(text, [&](char byte) { return id_of(byte) != kNone; })) {
        for (const char byte : text) ids.push_back(id_of(byte));
        after_unknown = false;
      } else {
        // Neighbouring unknown characters are one unknown piece.
        if (!after_unknown) ids.push_back(unknown_);
        after_unknown = true;
      }
    }
  }

  void cut(std::string_view word,
           const std::function<void(std::string_view)>& part) const override {
    boundaries_.cut(
        word, [this](std::string_view c) { return symbols_.contains(c); }, part);
  }

 private:
  static constexpr std::int32_t kNone = -1;

  /// Symbol of a part of a piece: a piece, or a character that is none by itself.
  std::optional<std::int32_t> part_symbol(std::string_view part) {
    const auto found = symbols_.find(part);
    if (found != symbols_.end()) return found->second;
    if (utf8_length(part[0]) != part.size()) return {};
    const auto symbol = static_cast<std::int32_t>(tokens_.size() + extra_characters_.size());
    extra_characters_.emplace_back(part);
    symbols_.emplace(std::string(part), symbol);
    return symbol;
  }

  /// Every way to form a piece of two symbols is a merge; its rank is that of the piece's score.
  void add_merges(const SpmDescription& description) {
    std::vector<std::int32_t> by_score;
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      const bool merged = is_mergeable(description.table.kinds[i]) && !tokens_[i].empty() &&
                          utf8_length(tokens_[i][0]) < tokens_[i].size();
      if (merged) by_score.push_back(static_cast<std::int32_t>(i));
    }
    const auto score = [&](std::int32_t id) {
      return description.scores[static_cast<std::size_t>(id)];
    };
    std::ranges::stable_sort(by_score,
                             [&](std::int32_t a, std::int32_t b) { return score(a) > score(b); });
    std::uint32_t rank = 0;
    for (std::size_t i = 0; i < by_score.size(); ++i) {
      const std::int32_t id = by_score[i];
      if (i > 0 && score(id) != score(by_score[i - 1])) ++rank;
      const std::string_view text = tokens_[static_cast<std::size_t>(id)];
      for (std::size_t at = utf8_length(text[0]); at < text.size(); at += utf8_length(text[at])) {
        const auto left = part_symbol(text.substr(0, at));
        const auto right = part_symbol(text.substr(at));
        if (!left || !right) continue;
        merges_.add(*left, *right, {rank, id});
        boundaries_.add(text.substr(0, at), text.substr(at));
      }
    }
  }

  TextMap<std::int32_t> symbols_;              ///< pieces and characters that take part in merges
  std::vector<std::string> extra_characters_;  ///< symbols from tokens_.size() on
  std::vector<std::int32_t> of_byte_;
  std::int32_t unknown_ = kNone;
  BpeMerges merges_;
  MergeBoundaries boundaries_;
};

std::string identity_of(const SpmDescription& description) {
  std::string identity = description.adds_space ? "spm space " : "spm ";
  for (std::size_t i = 0; i < description.table.texts.size(); ++i) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, &description.scores[i], sizeof bits);
    const std::string& text = description.table.texts[i];
    identity += std::to_string(text.size()) + ":" + text + " " +
                std::to_string(static_cast<int>(description.table.kinds[i])) + " " +
                std::to_string(bits) + ";";
  }
  return identity;
}

class SpmTokenizer final : public PieceTokenizer {
 public:
  SpmTokenizer(SpmDescription description, std::unique_ptr<SpmModel> model, std::string_view where)
      : PieceTokenizer(description.table, description.facts, identity_of(description), where),
        model_(std::move(model)),
        adds_space_(description.adds_space) {
    for (std::size_t i = 0; i < table().texts.size(); ++i) {
      if (table().kinds[i] == TokenKind::kUserDefined) {
        always_parsed_.add(table().texts[i], static_cast<std::int32_t>(i));
      }
    }
  }

 private:
  void encode_ordinary(std::string_view text, std::vector<std::int64_t>& ids) const override {
    std::string marked(adds_space_ ? kSpaceMark : std::string_view());
    for (const char c : text) c == ' ' ? marked += kSpaceMark : marked += c;
    SeenWords words(*model_);
    const std::string_view all = marked;
    std::size_t at = 0;
    while (at < all.size()) {
      const auto match = always_parsed_.find(all, at);
      const std::size_t end = match ? match->begin : all.size();
      if (end > at) words.encode(all.substr(at, end - at), ids);
      if (!match) break;
      ids.push_back(match->token);
      at = end + match->length;
    }
  }

  std::unique_ptr<SpmModel> model_;
  bool adds_space_;
  SpecialTokens always_parsed_;
};

}  // namespace

std::unique_ptr<Tokenizer> make_spm_tokenizer(SpmDescription description, std::string_view where) {
  description.table.head_space =
      description.adds_space ? PieceTable::HeadSpace::kOneDropped : PieceTable::HeadSpace::kKept;
  auto model = std::make_unique<SpmModel>(description, where);
  return std::make_unique<SpmTokenizer>(std::move(description), std::move(model), where);
}

}  // namespace lethe::models
