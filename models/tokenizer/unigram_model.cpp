// SPDX-License-Identifier: Apache-2.0
// "Unigram" of tokenizer.json: the most likely split of a word into tokens (Viterbi).
#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "harness/base/unicode.h"
#include "models/tokenizer/byte_trie.h"
#include "models/tokenizer/component.h"
#include "models/tokenizer/word_model.h"

namespace lethe::models {
namespace {

class UnigramModel final : public WordModel {
 public:
  explicit UnigramModel(ObjectReader& reader) {
    const json::array& vocabulary = reader.array("vocab");
    double lowest = std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < vocabulary.size(); ++i) {
      const json::value& item = vocabulary[i];
      const auto fail = [&](const std::string& what) {
        throw Error(ErrorKind::kModel,
                    reader.where("vocab") + "[" + std::to_string(i) + "]: " + what);
      };
      if (!item.is_array() || item.get_array().size() != 2 || !item.get_array()[0].is_string() ||
          !item.get_array()[1].is_number()) {
        fail("expected [\"token\", score], found " + json::serialize(item).substr(0, 80));
      }
      const auto score = item.get_array()[1].to_number<double>();
      if (!std::isfinite(score)) fail("expected a finite score");
      tokens_.emplace_back(std::string_view(item.get_array()[0].get_string()));
      scores_.push_back(score);
      lowest = std::min(lowest, score);
    }
    if (tokens_.empty()) {
      throw Error(ErrorKind::kModel, reader.where("vocab") + ": expected tokens, found none");
    }
    ids_ = ids_by_text(tokens_);
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      if (tokens_[i].empty()) continue;
      if (ids_.at(tokens_[i]) != static_cast<std::int32_t>(i)) {
        throw Error(ErrorKind::kModel, reader.where("vocab") + "[" + std::to_string(i) +
                                           "]: expected every token once, found '" + tokens_[i] +
                                           "' again");
      }
      texts_.add(tokens_[i], static_cast<std::int32_t>(i));
    }
    byte_fallback_ = value_or(reader, "byte_fallback", false);
    of_byte_ = byte_token_ids(ids_);
    const std::int64_t unknown = value_or(reader, "unk_id", std::int64_t{-1});
    if (unknown < 0 || unknown >= static_cast<std::int64_t>(tokens_.size())) {
      throw Error(ErrorKind::kModel, reader.where("unk_id") +
                                         ": expected the id of a token of the vocabulary, found " +
                                         (unknown == -1 ? "none" : std::to_string(unknown)));
    }
    unknown_ = static_cast<std::int32_t>(unknown);
    if (tokens_[static_cast<std::size_t>(unknown)].empty()) {
      throw Error(ErrorKind::kModel, reader.where("unk_id") + ": expected a token with a text, " +
                                         "found token " + std::to_string(unknown) +
                                         ", which is empty");
    }
    constexpr double kUnknownPenalty = 10.0;  // SentencePiece's
    unknown_score_ = lowest - kUnknownPenalty;
  }

  void encode(std::string_view word, std::vector<std::int32_t>& ids) const override {
    const std::vector<Step> best = best_steps(word);
    // From the end back; neighbouring unknown characters are one unknown text.
    std::vector<Span> spans;
    for (std::size_t end = word.size(); end > 0; end = best[end].begin) {
      const Step& step = best[end];
      const bool unknown = step.token == unknown_;
      if (unknown && !spans.empty() && spans.back().unknown) {
        spans.back().begin = step.begin;
      } else {
        spans.push_back({step.begin, end, unknown});
      }
    }
    for (auto span = spans.rbegin(); span != spans.rend(); ++span) {
      append(word.substr(span->begin, span->end - span->begin), ids);
    }
  }

 private:
  struct Step {
    double score = 0;
    std::size_t begin = 0;
    std::int32_t token = kNone;
  };
  struct Span {
    std::size_t begin;
    std::size_t end;
    bool unknown;
  };
  static constexpr std::int32_t kNone = -1;

  /// For every byte, the best way to get there and its last token.
  std::vector<Step> best_steps(std::string_view word) const {
    std::vector<Step> best(word.size() + 1);
    for (std::size_t at = 0; at < word.size();) {
      const double here = best[at].score;
      const std::size_t character = utf8_length(word[at]);
      bool has_character = false;
      const auto offer = [&](std::size_t length, double score, std::int32_t token) {
        Step& target = best[at + length];
        if (target.token == kNone || score > target.score) target = {score, at, token};
      };
      texts_.prefixes(word, at, [&](std::size_t length, std::int32_t token) {
        offer(length, here + scores_[static_cast<std::size_t>(token)], token);
        has_character = has_character || length == character;
      });
      if (!has_character) offer(character, here + unknown_score_, unknown_);
      at += character;
    }
    return best;
  }

  void append(std::string_view text, std::vector<std::int32_t>& ids) const {
    if (const auto found = ids_.find(text); found != ids_.end()) {
      ids.push_back(found->second);
      return;
    }
    const auto id_of = [&](char byte) { return of_byte_[static_cast<unsigned char>(byte)]; };
    if (byte_fallback_ && std::ranges::all_of(text, [&](char byte) { return id_of(byte) >= 0; })) {
      for (const char byte : text) ids.push_back(id_of(byte));
      return;
    }
    ids.push_back(unknown_);
  }

  std::vector<double> scores_;
  TokenIds ids_;
  ByteTrie texts_;
  bool byte_fallback_ = false;
  std::vector<std::int32_t> of_byte_;
  std::int32_t unknown_ = 0;
  double unknown_score_ = 0;
};

}  // namespace

std::unique_ptr<WordModel> make_unigram_model(ObjectReader& reader) {
  return std::make_unique<UnigramModel>(reader);
}

}  // namespace lethe::models
