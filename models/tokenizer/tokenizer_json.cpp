// SPDX-License-Identifier: Apache-2.0
#include "models/tokenizer/tokenizer_json.h"

#include <unordered_set>

#include "harness/base/json.h"
#include "harness/base/text.h"
#include "models/tokenizer/added_tokens.h"
#include "models/tokenizer/component.h"
#include "models/tokenizer/content_hash.h"
#include "models/tokenizer/normalizer.h"
#include "models/tokenizer/post_processor.h"
#include "models/tokenizer/seen_words.h"
#include "models/tokenizer/token_decoder.h"
#include "models/tokenizer/word_splitter.h"

namespace lethe::models {
namespace {

class JsonTokenizer final : public Tokenizer {
 public:
  JsonTokenizer(std::string_view text, std::string_view where, const HfTokenizerConfig& config)
      : where_(where) {
    const json::value value = parse_json(text, where, ErrorKind::kModel);
    ObjectReader reader(value, where_, ErrorKind::kModel);
    const auto member = [&](std::string_view name) {
      const json::value* found = reader.find(name);
      return found == nullptr ? json::value() : *found;
    };
    normalizer_ = make_normalizer(member("normalizer"), reader.where("normalizer"));
    splitter_ = make_word_splitter(member("pre_tokenizer"), reader.where("pre_tokenizer"));
    decoder_ = make_token_decoder(member("decoder"), reader.where("decoder"));
    model_ = make_word_model(reader.at("model"), reader.where("model"));
    tokens_ = model_->tokens();
    for (const auto& [token, id] : ids_by_text(tokens_)) ids_.emplace(token, id);
    read_added_tokens(reader);
    boundaries_ = boundary_ids(config, [&](std::string_view token) { return id_of(token); });
    surroundings_ = read_surroundings(member("post_processor"), reader.where("post_processor"));
    if (config.surrounds_by_flags()) surround_by_flags(config);
    check_surroundings(surroundings_.single);
    check_surroundings(surroundings_.pair);
    for (const char* of_batches : {"version", "truncation", "padding"}) reader.find(of_batches);
    reader.finish();
    hash(text);
  }

  std::vector<std::int64_t> encode(std::string_view text, bool parse_special) const override {
    check_utf8(text, "the text to tokenize");
    SeenWords words(*model_);
    std::vector<std::int64_t> ids;
    raw_added_.split(text, parse_special, [&](std::string_view part, const AddedToken* token) {
      if (token != nullptr) {
        ids.push_back(token->id);
      } else {
        encode_part({std::string(part), part.data() == text.data()}, parse_special, words, ids);
      }
    });
    return ids;
  }

  Encoding encode_with_special(std::string_view text, std::optional<std::string_view> second,
                               bool parse_special) const override {
    const auto first_ids = encode(text, parse_special);
    if (!second) return lay_out(surroundings_, first_ids, nullptr);
    const auto second_ids = encode(*second, parse_special);
    return lay_out(surroundings_, first_ids, &second_ids);
  }

  std::string decode(const std::vector<std::int64_t>& ids, bool skip_special) const override {
    return decoded(ids, skip_special, BrokenBytes::kKept);
  }

  std::string decode_text(const std::vector<std::int64_t>& ids, bool skip_special) const override {
    return printable_utf8(decoded(ids, skip_special, BrokenBytes::kReplaced));
  }

  std::string decoded(const std::vector<std::int64_t>& ids, bool skip_special,
                      BrokenBytes broken) const {
    std::vector<std::string> texts;
    texts.reserve(ids.size());
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (ids[i] < 0 || ids[i] >= vocab_size() ||
          tokens_[static_cast<std::size_t>(ids[i])].empty()) {
        throw Error(ErrorKind::kData, "token " + std::to_string(i) + ": expected an id from 0 to " +
                                          std::to_string(vocab_size() - 1) +
                                          " that has a token, found " + std::to_string(ids[i]));
      }
      if (skip_special && special_ids_.contains(ids[i])) continue;
      texts.push_back(tokens_[static_cast<std::size_t>(ids[i])]);
    }
    if (decoder_) decoder_->apply(texts, broken);
    std::string text;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      if (!decoder_ && i > 0) text += ' ';
      text += texts[i];
    }
    return text;
  }

  std::int64_t vocab_size() const override { return static_cast<std::int64_t>(tokens_.size()); }
  std::optional<std::int64_t> bos_id() const override { return boundaries_.bos; }
  std::optional<std::int64_t> eos_id() const override { return boundaries_.eos; }
  std::vector<std::int64_t> eos_ids() const override { return boundaries_.all_eos; }
  bool adds_bos() const override {
    const LayoutItem& first = surroundings_.single.front();
    return boundaries_.bos && first.what == LayoutItem::What::kSpecial &&
           first.ids == std::vector<std::int64_t>{*boundaries_.bos};
  }
  std::string content_sha256() const override { return content_sha256_; }

 private:
  std::optional<std::int64_t> id_of(std::string_view token) const {
    const auto found = ids_.find(token);
    if (found == ids_.end()) return {};
    return found->second;
  }

  void encode_part(Piece piece, bool parse_special, SeenWords& words,
                   std::vector<std::int64_t>& ids) const {
    if (normalizer_) normalizer_->apply(piece);
    const std::string_view text = piece.text;
    normalized_added_.split(
        text, parse_special, [&](std::string_view part, const AddedToken* token) {
          if (token != nullptr) {
            ids.push_back(token->id);
            return;
          }
          std::vector<Piece> pieces;
          pieces.push_back({std::string(part), piece.heads_text && part.data() == text.data()});
          if (splitter_) splitter_->split(pieces);
          for (const Piece& word : pieces) {
            words.encode(word.text, ids);
          }
        });
  }

  void read_added_tokens(ObjectReader& reader) {
    const json::value* member = reader.find("added_tokens");
    if (member == nullptr || member->is_null()) return;
    const json::array& items = reader.array("added_tokens");
    for (std::size_t i = 0; i < items.size(); ++i) {
      const std::string where = reader.where("added_tokens") + "[" + std::to_string(i) + "]";
      ObjectReader item(items[i], where, ErrorKind::kModel);
      AddedToken token;
      token.content = item.string("content");
      token.special = item.boolean("special", false);
      token.normalized = item.boolean("normalized", !token.special);
      token.lstrip = item.boolean("lstrip", false);
      token.rstrip = item.boolean("rstrip", false);
      token.single_word = item.boolean("single_word", false);
      const std::int64_t id = item.integer("id");
      item.finish();
      if (token.content.empty()) continue;
      token.id = place_added_token(token.content, id, where);
      if (token.special) special_ids_.insert(token.id);
      Piece text{token.content};
      if (token.normalized && normalizer_) normalizer_->apply(text);
      (token.normalized ? normalized_added_ : raw_added_).add(std::move(token), text.text);
    }
  }

  /// tokenizers numbers by itself and ignores the file's ids: where the two differ, the file's
  /// author meant something else than what was trained with.
  std::int32_t place_added_token(const std::string& content, std::int64_t id,
                                 const std::string& where) {
    const auto known = id_of(content);
    const std::int64_t expected = known.value_or(static_cast<std::int64_t>(tokens_.size()));
    if (id != expected) {
      throw Error(ErrorKind::kModel,
                  where + ": '" + content + "': expected id " + std::to_string(expected) +
                      (known ? ", as in the vocabulary" : ", the next free one") + ", found " +
                      std::to_string(id));
    }
    if (!known) {
      tokens_.push_back(content);
      ids_.emplace(content, static_cast<std::int32_t>(id));
    }
    return static_cast<std::int32_t>(id);
  }

  void surround_by_flags(const HfTokenizerConfig& config) {
    const bool bos = config.adds_bos.value_or(true);
    const bool eos = config.adds_eos.value_or(false);
    const auto need = [&](bool wanted, const std::optional<std::int64_t>& id, const char* role) {
      if (wanted && !id) {
        throw Error(ErrorKind::kModel, config.where + ": expected a member '" + role +
                                           "' because it is added to texts, found none");
      }
      return wanted ? id : std::nullopt;
    };
    surroundings_ = bos_eos_surroundings(need(bos, boundaries_.bos, "bos_token"),
                                         need(eos, boundaries_.eos, "eos_token"));
  }

  void check_surroundings(const Layout& layout) const {
    for (const LayoutItem& item : layout) {
      for (const std::int64_t id : item.ids) {
        if (id < vocab_size() && !tokens_[static_cast<std::size_t>(id)].empty()) continue;
        throw Error(ErrorKind::kModel, where_ + ": post_processor: expected ids of tokens, found " +
                                           std::to_string(id));
      }
    }
  }

  void hash(std::string_view text) {
    Sha256 hash;
    hash_text(hash, "lethe tokenizer.json 1");
    hash_text(hash, text);
    const auto add = [&](std::int64_t number) { hash.update(std::to_string(number) + " "); };
    add(boundaries_.bos.value_or(-1));
    for (const Layout* layout : {&surroundings_.single, &surroundings_.pair}) {
      for (const LayoutItem& item : *layout) {
        add(static_cast<int>(item.what));
        add(item.type_id);
        for (const std::int64_t id : item.ids) add(id);
      }
    }
    content_sha256_ = hash.hex();
  }

  std::string where_;
  std::unique_ptr<Normalizer> normalizer_;
  std::unique_ptr<WordSplitter> splitter_;
  std::unique_ptr<WordModel> model_;
  std::unique_ptr<TokenDecoder> decoder_;
  Surroundings surroundings_;
  AddedTokens raw_added_;
  AddedTokens normalized_added_;
  std::vector<std::string> tokens_;  ///< by id, the added ones too
  TextMap<std::int32_t> ids_;
  std::unordered_set<std::int64_t> special_ids_;
  BoundaryIds boundaries_;
  std::string content_sha256_;
};

}  // namespace

std::unique_ptr<Tokenizer> make_json_tokenizer(std::string_view text, std::string_view where,
                                               const HfTokenizerConfig& config) {
  return std::make_unique<JsonTokenizer>(text, where, config);
}

}  // namespace lethe::models
