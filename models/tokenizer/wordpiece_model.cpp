// SPDX-License-Identifier: Apache-2.0
// "WordPiece" of tokenizer.json (BERT): the longest known beginning, again and again.
#include <algorithm>

#include "harness/base/unicode.h"
#include "models/tokenizer/component.h"
#include "models/tokenizer/word_model.h"

namespace lethe::models {
namespace {

class WordPieceModel final : public WordModel {
 public:
  explicit WordPieceModel(ObjectReader& reader) {
    tokens_ = read_vocabulary(reader);
    ids_ = ids_by_text(tokens_);
    prefix_ = value_or(reader, "continuing_subword_prefix", std::string("##"));
    longest_word_ = value_or(reader, "max_input_chars_per_word", std::int64_t{100});
    for (const std::string& token : tokens_)
      longest_token_ = std::max(longest_token_, token.size());
    const std::string unknown = value_or(reader, "unk_token", std::string("[UNK]"));
    const auto found = ids_.find(unknown);
    if (found == ids_.end()) {
      throw Error(ErrorKind::kModel, reader.where("unk_token") +
                                         ": expected a token of the vocabulary, found '" + unknown +
                                         "'");
    }
    unknown_ = found->second;
  }

  void encode(std::string_view word, std::vector<std::int32_t>& ids) const override {
    const std::size_t before = ids.size();
    const bool known = static_cast<std::int64_t>(count_code_points(word)) <= longest_word_ &&
                       append_pieces(word, ids);
    if (known) return;
    ids.resize(before);
    ids.push_back(unknown_);
  }

 private:
  bool append_pieces(std::string_view word, std::vector<std::int32_t>& ids) const {
    std::string text;
    for (std::size_t at = 0; at < word.size();) {
      const std::string_view prefix = at > 0 ? std::string_view(prefix_) : std::string_view();
      // No longer candidate can be a token: a long word costs no more per piece than a short one.
      std::size_t end = std::min(word.size(), at + longest_token_);
      text.assign(prefix).append(word.substr(at, end - at));
      auto found = ids_.end();
      for (; end > at; --end) {
        const bool between_characters =
            end == word.size() || (static_cast<unsigned char>(word[end]) & 0xc0U) != 0x80U;
        if (between_characters) {
          found = ids_.find(std::string_view(text).substr(0, prefix.size() + end - at));
          if (found != ids_.end()) break;
        }
      }
      if (end == at) return false;
      ids.push_back(found->second);
      at = end;
    }
    return true;
  }

  TokenIds ids_;
  std::string prefix_;
  std::int64_t longest_word_ = 100;  ///< characters; a longer one is unknown
  std::size_t longest_token_ = 0;    ///< bytes
  std::int32_t unknown_ = 0;
};

}  // namespace

std::unique_ptr<WordModel> make_wordpiece_model(ObjectReader& reader) {
  return std::make_unique<WordPieceModel>(reader);
}

}  // namespace lethe::models
