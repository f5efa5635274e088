// SPDX-License-Identifier: Apache-2.0
// "BPE" of tokenizer.json, byte-level or with SentencePiece's byte fallback.
#include <algorithm>
#include <optional>

#include "harness/base/unicode.h"
#include "models/tokenizer/bpe_merges.h"
#include "models/tokenizer/component.h"
#include "models/tokenizer/word_model.h"

namespace lethe::models {
namespace {

class BpeModel final : public WordModel {
 public:
  explicit BpeModel(ObjectReader& reader) {
    tokens_ = read_vocabulary(reader);
    ids_ = ids_by_text(tokens_);
    refuse_dropout(reader);
    prefix_ = value_or(reader, "continuing_subword_prefix", std::string());
    suffix_ = value_or(reader, "end_of_word_suffix", std::string());
    fuse_unknown_ = value_or(reader, "fuse_unk", false);
    byte_fallback_ = value_or(reader, "byte_fallback", false);
    ignore_merges_ = value_or(reader, "ignore_merges", false);
    if (const auto unknown = value_or(reader, "unk_token", std::string()); !unknown.empty()) {
      const auto found = ids_.find(unknown);
      if (found == ids_.end()) {
        throw Error(ErrorKind::kModel, reader.where("unk_token") +
                                           ": expected a token of the vocabulary, found '" +
                                           unknown + "'");
      }
      unknown_ = found->second;
    }
    of_byte_ = byte_token_ids(ids_);
    cuttable_ = prefix_.empty() && suffix_.empty() && !ignore_merges_;
    read_merges(reader);
  }

  void encode(std::string_view word, std::vector<std::int32_t>& ids) const override {
    if (ignore_merges_) {
      if (const auto whole = ids_.find(word); whole != ids_.end()) {
        ids.push_back(whole->second);
        return;
      }
    }
    std::vector<std::int32_t> symbols;
    read_symbols(word, symbols);
    BpeMerger(merges_).merge(symbols);
    ids.insert(ids.end(), symbols.begin(), symbols.end());
  }

  void cut(std::string_view word,
           const std::function<void(std::string_view)>& part) const override {
    if (!cuttable_) return part(word);
    boundaries_.cut(
        word, [this](std::string_view c) { return ids_.contains(c); }, part);
  }

 private:
  static void refuse_dropout(ObjectReader& reader) {
    const json::value* dropout = reader.find("dropout");
    if (dropout == nullptr || dropout->is_null()) return;
    if (reader.number("dropout") != 0) {
      throw Error(ErrorKind::kModel, reader.where("dropout") +
                                         ": expected null (ids must not be random), found " +
                                         json::serialize(*dropout));
    }
  }

  void read_merges(ObjectReader& reader) {
    const json::array& merges = reader.array("merges");
    merges_.reserve(merges.size());
    for (std::size_t rank = 0; rank < merges.size(); ++rank) {
      const json::value& merge = merges[rank];
      const auto fail = [&](const std::string& found) {
        throw Error(ErrorKind::kModel,
                    reader.where("merges") + "[" + std::to_string(rank) +
                        "]: expected two tokens of the vocabulary whose union is a token, as "
                        "\"left right\" or [\"left\", \"right\"], found " +
                        found + " in " + json::serialize(merge).substr(0, 200));
      };
      std::string_view left;
      std::string_view right;
      if (merge.is_string()) {
        const std::string_view text = merge.get_string();
        const std::size_t space = text.find(' ');
        if (space == std::string_view::npos) fail("no space");
        left = text.substr(0, space);
        right = text.substr(space + 1);
      } else if (merge.is_array() && merge.get_array().size() == 2 &&
                 merge.get_array()[0].is_string() && merge.get_array()[1].is_string()) {
        left = merge.get_array()[0].get_string();
        right = merge.get_array()[1].get_string();
      } else {
        fail("another form");
      }
      const auto id_of = [&](std::string_view token) {
        const auto found = ids_.find(token);
        if (found == ids_.end()) fail("'" + std::string(token) + "', which is no token,");
        return found->second;
      };
      const std::int32_t left_id = id_of(left);
      const std::int32_t right_id = id_of(right);
      const std::size_t skipped = right.starts_with(prefix_) ? prefix_.size() : 0;
      boundaries_.add(left, right);
      // Byte and unknown tokens stand for characters that are not theirs.
      if (is_stand_in(left_id) || is_stand_in(right_id)) cuttable_ = false;
      merges_.add(left_id, right_id,
                  {static_cast<std::uint32_t>(rank),
                   id_of(std::string(left) + std::string(right.substr(skipped)))});
    }
  }

  bool is_stand_in(std::int32_t id) const {
    return id == unknown_ || std::ranges::find(of_byte_, id) != of_byte_.end();
  }

  /// One symbol per character; for one without a token its bytes, or the unknown token.
  void read_symbols(std::string_view word, std::vector<std::int32_t>& symbols) const {
    bool unknown_waits = false;
    const auto flush = [&] {
      if (unknown_waits) symbols.push_back(*unknown_);
      unknown_waits = false;
    };
    std::string text;
    for (std::size_t at = 0; at < word.size();) {
      const std::size_t length = utf8_length(word[at]);
      text.clear();
      if (at > 0) text += prefix_;
      text += word.substr(at, length);
      at += length;
      if (at >= word.size()) text += suffix_;
      if (const auto found = ids_.find(text); found != ids_.end()) {
        flush();
        symbols.push_back(found->second);
      } else if (byte_fallback_ && has_bytes(text)) {
        for (const char byte : text) symbols.push_back(of_byte_[static_cast<unsigned char>(byte)]);
      } else if (unknown_) {
        if (!fuse_unknown_) flush();
        unknown_waits = true;
      }
    }
    flush();
  }

  bool has_bytes(std::string_view text) const {
    for (const char byte : text) {
      if (of_byte_[static_cast<unsigned char>(byte)] < 0) return false;
    }
    return true;
  }

  TokenIds ids_;
  BpeMerges merges_;
  MergeBoundaries boundaries_;
  bool cuttable_ = true;  ///< whether a word may be cut where no merge can join
  std::string prefix_;
  std::string suffix_;
  std::optional<std::int32_t> unknown_;
  bool fuse_unknown_ = false;
  bool byte_fallback_ = false;
  bool ignore_merges_ = false;
  std::vector<std::int32_t> of_byte_;
};

}  // namespace

std::unique_ptr<WordModel> make_bpe_model(ObjectReader& reader) {
  return std::make_unique<BpeModel>(reader);
}

}  // namespace lethe::models
