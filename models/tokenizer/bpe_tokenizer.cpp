// SPDX-License-Identifier: Apache-2.0
#include "models/tokenizer/bpe_tokenizer.h"

#include <array>
#include <limits>
#include <unordered_map>

#include "harness/base/error.h"
#include "harness/base/hash.h"
#include "harness/base/text.h"
#include "models/tokenizer/bpe_merges.h"
#include "models/tokenizer/byte_level.h"
#include "models/tokenizer/content_hash.h"
#include "models/tokenizer/pre_tokenizer.h"
#include "models/tokenizer/seen_words.h"
#include "models/tokenizer/special_tokens.h"

namespace lethe::models {
namespace {

constexpr std::int32_t kNoToken = -1;

std::string hash_of(const BpeDescription& description, std::string_view pattern) {
  Sha256 hash;
  hash_text(hash, "lethe byte-level bpe 1");
  hash_text(hash, pattern);
  for (std::size_t i = 0; i < description.tokens.size(); ++i) {
    hash_text(hash, description.tokens[i]);
    hash.update(std::to_string(static_cast<int>(description.kinds[i]))).update(";");
  }
  hash.update("merges");
  for (const std::string_view merge : description.merges) hash_text(hash, merge);
  hash.update(description.adds_bos ? "bos " : "no bos ");
  hash.update(std::to_string(description.bos_id.value_or(kNoToken)));
  return hash.hex();
}

class BpeTokenizer final : public Tokenizer {
 public:
  BpeTokenizer(const BpeDescription& description, std::string_view where)
      : pre_tokenizer_(description.pre_tokenizer, where),
        bos_id_(description.bos_id),
        eos_id_(description.eos_id),
        eos_ids_(description.eos_ids),
        adds_bos_(description.adds_bos) {
    const auto ids = read_tokens(description, where);
    read_merges(description, ids, where);
    for (int byte = 0; byte < 256; ++byte) {
      const auto found = ids.find(byte_level_encode(static_cast<unsigned char>(byte)));
      token_of_byte_[static_cast<std::size_t>(byte)] =
          found == ids.end() ? kNoToken : found->second;
    }
    if (is_llama3(description.pre_tokenizer)) {
      for (std::size_t i = 0; i < bytes_.size(); ++i) {
        if (kinds_[i] == TokenKind::kNormal) {
          whole_words_.emplace(bytes_[i], static_cast<std::int32_t>(i));
        }
      }
    }
    content_sha256_ = hash_of(description, pre_tokenizer_.pattern());
  }

  std::vector<std::int64_t> encode(std::string_view text, bool parse_special) const override {
    check_utf8(text, "the text to tokenize");
    const SpecialTokens& special = parse_special ? all_special_ : always_parsed_;
    BpeMerger merger(merges_);
    SeenWords seen;
    std::vector<std::int64_t> ids;
    std::size_t at = 0;
    while (at < text.size()) {
      const auto match = special.find(text, at);
      const std::size_t end = match ? match->begin : text.size();
      encode_ordinary(text.substr(at, end - at), merger, seen, ids);
      if (!match) break;
      ids.push_back(match->token);
      at = end + match->length;
    }
    return ids;
  }

  std::string decode(const std::vector<std::int64_t>& ids, bool skip_special) const override {
    std::string bytes;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (ids[i] < 0 || ids[i] >= vocab_size()) {
        throw Error(ErrorKind::kData, "token " + std::to_string(i) + ": expected an id from 0 to " +
                                          std::to_string(vocab_size() - 1) + ", found " +
                                          std::to_string(ids[i]));
      }
      const auto id = static_cast<std::size_t>(ids[i]);
      if (skip_special && is_special(kinds_[id])) continue;
      bytes += bytes_[id];
    }
    return bytes;
  }

  std::int64_t vocab_size() const override { return static_cast<std::int64_t>(bytes_.size()); }
  std::optional<std::int64_t> bos_id() const override { return bos_id_; }
  std::optional<std::int64_t> eos_id() const override { return eos_id_; }
  std::vector<std::int64_t> eos_ids() const override { return eos_ids_; }
  bool adds_bos() const override { return adds_bos_; }
  std::string content_sha256() const override { return content_sha256_; }

 private:
  using Ids = std::unordered_map<std::string_view, std::int32_t>;

  Ids read_tokens(const BpeDescription& description, std::string_view where) {
    const auto fail = [&](const std::string& message) {
      throw Error(ErrorKind::kModel, std::string(where) + ": " + message);
    };
    const std::size_t count = description.tokens.size();
    if (count == 0 || count > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) {
      fail("expected a vocabulary of 1 to 2^31 - 1 tokens, found " + std::to_string(count));
    }
    if (description.kinds.size() != count) {
      fail("expected one type per token, found " + std::to_string(description.kinds.size()) +
           " types for " + std::to_string(count) + " tokens");
    }
    for (const auto& id : {bos_id_, eos_id_}) {
      if (id && (*id < 0 || *id >= static_cast<std::int64_t>(count))) {
        fail("expected BOS and EOS ids below the vocabulary size " + std::to_string(count) +
             ", found " + std::to_string(*id));
      }
    }
    if (adds_bos_ && !bos_id_) fail("expected a BOS id because the file asks for BOS, found none");
    kinds_ = description.kinds;
    bytes_.reserve(count);
    Ids ids;
    ids.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      const std::string_view token = description.tokens[i];
      const auto id = static_cast<std::int32_t>(i);
      if (!ids.emplace(token, id).second) {
        fail("expected every token once, found '" + printable_utf8(token) + "' as " +
             std::to_string(ids[token]) + " and " + std::to_string(id));
      }
      const bool user_defined = kinds_[i] == TokenKind::kUserDefined;
      if (user_defined || is_special(kinds_[i])) {
        all_special_.add(token, id);
        if (user_defined) always_parsed_.add(token, id);
        bytes_.emplace_back(token);
      } else {
        bytes_.push_back(byte_level_decode(token).value_or(std::string(token)));
      }
    }
    return ids;
  }

  void read_merges(const BpeDescription& description, const Ids& ids, std::string_view where) {
    merges_.reserve(description.merges.size());
    for (std::size_t rank = 0; rank < description.merges.size(); ++rank) {
      const std::string_view merge = description.merges[rank];
      const auto fail = [&](const std::string& found) {
        throw Error(ErrorKind::kModel,
                    std::string(where) + ": merge " + std::to_string(rank) +
                        ": expected two tokens of the vocabulary whose union is a token, found " +
                        found + " in '" + printable_utf8(merge) + "'");
      };
      const std::size_t space = merge.find(' ');
      if (space == std::string_view::npos) fail("no space");
      const auto id_of = [&](std::string_view token) {
        const auto found = ids.find(token);
        if (found == ids.end()) fail("'" + printable_utf8(token) + "', which is no token,");
        return found->second;
      };
      const std::string_view left = merge.substr(0, space);
      const std::string_view right = merge.substr(space + 1);
      const std::string joined = std::string(left) + std::string(right);
      merges_.add(id_of(left), id_of(right), {static_cast<std::uint32_t>(rank), id_of(joined)});
    }
  }

  /// Where the ids of a word stand in the output. Most words of a text occur again.
  struct Place {
    std::size_t begin;
    std::size_t count;
  };
  using SeenWords = std::unordered_map<std::string_view, Place>;

  void encode_ordinary(std::string_view text, BpeMerger& merger, SeenWords& seen,
                       std::vector<std::int64_t>& ids) const {
    constexpr std::size_t kLongestRemembered = 64;
    std::vector<std::int32_t> tokens;
    pre_tokenizer_.split(text, [&](std::string_view word) {
      if (word.size() <= kLongestRemembered) {
        const auto [known, fresh] = seen.try_emplace(word, Place{ids.size(), 0});
        Place& place = known->second;
        if (!fresh) {
          for (std::size_t i = 0; i < place.count; ++i) ids.push_back(ids[place.begin + i]);
          return;
        }
        append_merged(word, merger, tokens, ids);
        place.count = ids.size() - place.begin;
      } else {
        append_merged(word, merger, tokens, ids);
      }
    });
  }

  void append_merged(std::string_view word, BpeMerger& merger, std::vector<std::int32_t>& tokens,
                     std::vector<std::int64_t>& ids) const {
    if (const auto whole = whole_words_.find(word); whole != whole_words_.end()) {
      ids.push_back(whole->second);
      return;
    }
    tokens.clear();
    for (const char byte : word) {
      const std::int32_t token = token_of_byte_[static_cast<unsigned char>(byte)];
      if (token != kNoToken) tokens.push_back(token);
    }
    merger.merge(tokens);
    ids.insert(ids.end(), tokens.begin(), tokens.end());
  }

  PreTokenizer pre_tokenizer_;
  std::optional<std::int64_t> bos_id_;
  std::optional<std::int64_t> eos_id_;
  std::vector<std::int64_t> eos_ids_;
  bool adds_bos_;
  std::string content_sha256_;
  std::vector<TokenKind> kinds_;
  std::vector<std::string> bytes_;  ///< exact bytes of every token
  std::array<std::int32_t, 256> token_of_byte_{};
  BpeMerges merges_;
  TextMap<std::int32_t> whole_words_;  ///< words that are taken without merging
  SpecialTokens all_special_;
  SpecialTokens always_parsed_;
};

}  // namespace

std::unique_ptr<Tokenizer> make_bpe_tokenizer(const BpeDescription& description,
                                              std::string_view where) {
  return std::make_unique<BpeTokenizer>(description, where);
}

}  // namespace lethe::models
