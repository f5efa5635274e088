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

/// A tokenizer of one checkpoint. Thread-safe: encode() and decode() are const and share no state.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  /// Ids of `text`, no BOS. With `parse_special`, text of special tokens ("<|im_start|>") becomes
  /// the token; otherwise it is ordinary text. `text` must be UTF-8: throws Error(kData) otherwise.
  virtual std::vector<std::int64_t> encode(std::string_view text, bool parse_special) const = 0;
  /// Exact bytes of the ids; may be invalid UTF-8 when a character is split over tokens.
  virtual std::string decode(const std::vector<std::int64_t>& ids, bool skip_special) const = 0;
  virtual std::int64_t vocab_size() const = 0;
  virtual std::optional<std::int64_t> bos_id() const = 0;
  virtual std::optional<std::int64_t> eos_id() const = 0;
  /// Whether the checkpoint asks for BOS at the head of a text.
  virtual bool adds_bos() const = 0;
  /// SHA-256 over everything that decides ids (vocabulary, merges, pre-tokeniser, special tokens).
  virtual std::string content_sha256() const = 0;
};

/// Replaces every invalid UTF-8 sequence by U+FFFD (for printing decoded bytes).
std::string printable_utf8(std::string_view bytes);

/// Tokenizer of a GGUF file or a Hugging Face folder. Throws Error(kModel) when the checkpoint
/// carries none, or one of a kind that is not supported, saying which it is and which exist.
std::unique_ptr<Tokenizer> open_tokenizer(const std::filesystem::path& checkpoint);

}  // namespace lethe::models
