// SPDX-License-Identifier: Apache-2.0
// Text <-> token ids.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::models {

/// Ids of one text or of a pair, with the special tokens around them.
struct Encoding {
  std::vector<std::int64_t> ids;
  std::vector<std::int64_t> type_ids;  ///< which text an id belongs to, as the checkpoint counts
};

/// What decoding does with a run of byte tokens that form no characters.
enum class BrokenBytes { kKept, kReplaced };

/// A tokenizer of one checkpoint. Thread-safe: encode() and decode() are const and share no state.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  /// Ids of `text`, no BOS. With `parse_special`, text of special tokens ("<|im_start|>") becomes
  /// the token; otherwise it is ordinary text. `text` must be UTF-8: throws Error(kData) otherwise.
  virtual std::vector<std::int64_t> encode(std::string_view text, bool parse_special) const = 0;
  /// Ids of a text, or of two, with what the checkpoint puts around them: BOS and EOS, or [CLS] and
  /// [SEP]. By default BOS before each text where adds_bos().
  virtual Encoding encode_with_special(std::string_view text,
                                       std::optional<std::string_view> second,
                                       bool parse_special) const;
  /// Exact bytes of the ids; may be invalid UTF-8 when a character is split over tokens.
  virtual std::string decode(const std::vector<std::int64_t>& ids, bool skip_special) const = 0;
  /// Text of the ids as Hugging Face decodes them: U+FFFD where bytes form no characters, one for
  /// each byte of a run of byte tokens (<0xE4>), else one for each part that none begins with.
  virtual std::string decode_text(const std::vector<std::int64_t>& ids, bool skip_special) const;
  virtual std::int64_t vocab_size() const = 0;
  virtual std::optional<std::int64_t> bos_id() const = 0;
  virtual std::optional<std::int64_t> eos_id() const = 0;
  /// Every id that ends a text or a turn, ascending: by default eos_id().
  virtual std::vector<std::int64_t> eos_ids() const;
  /// Whether the checkpoint asks for BOS at the head of a text.
  virtual bool adds_bos() const = 0;
  /// SHA-256 over everything that decides ids (vocabulary, merges, pre-tokeniser, special tokens).
  virtual std::string content_sha256() const = 0;
};

/// U+FFFD for each of `bytes` where they are not UTF-8 as a whole.
std::string replaced_bytes(std::string bytes);

/// Replaces every invalid UTF-8 sequence by U+FFFD (for printing decoded bytes).
std::string printable_utf8(std::string_view bytes);

/// Tokenizer of a GGUF file or a Hugging Face folder (tokenizer.json, else tokenizer.model). Throws
/// Error(kModel) when the checkpoint carries none, or one of a kind that is not supported, saying
/// which it is and which exist.
std::unique_ptr<Tokenizer> open_tokenizer(const std::filesystem::path& checkpoint);

}  // namespace lethe::models
