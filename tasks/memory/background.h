// SPDX-License-Identifier: Apache-2.0
// Sentences of books in their order, tokenised: the text that BABILong hides facts in.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/tokenizer/tokenizer.h"

namespace lethe::tasks {

/// Ids of sentences that follow one another with a blank between. Tokenizers that write the blank
/// by themselves (SentencePiece, WordPiece) are found out by how they decode; byte-level ones are
/// given it as the first byte of what follows, where they look for it.
class SentenceTokens {
 public:
  /// Keeps a reference to `tokenizer`.
  explicit SentenceTokens(const models::Tokenizer& tokenizer);
  /// Of the first sentence of a text.
  std::vector<std::int64_t> opening(std::string_view sentence) const;
  /// Of one behind another.
  std::vector<std::int64_t> following(std::string_view sentence) const;
  /// opening() of the sentence that following() made these ids of.
  std::vector<std::int64_t> as_opening(const std::vector<std::int64_t>& ids) const;

 private:
  const models::Tokenizer& tokenizer_;
  bool needs_blank_;
};

/// A pool of sentences that goes round: behind the last comes the first. Its size is that of the
/// books, whatever the length of the texts that are made from it. Thread-safe once filled.
class Background {
 public:
  /// Shorter sentences are dropped (BABILong, SentenceSampler: min_sentence_len = 10).
  static constexpr std::int64_t kFewestTokens = 10;

  /// Appends the sentences of a text (split_sentences).
  void add(std::string_view text, const SentenceTokens& tokens);

  std::int64_t sentences() const { return static_cast<std::int64_t>(begins_.size()) - 1; }
  std::int64_t tokens() const { return begins_.back(); }
  /// Ids of sentence `index` as SentenceTokens::following() gives them.
  std::vector<std::int64_t> sentence(std::int64_t index) const;
  /// Tokens of `count` sentences from `first` on.
  std::int64_t tokens_of(std::int64_t first, std::int64_t count) const;
  /// How many sentences from `first` on it takes to have `tokens` tokens; the last may be needed in
  /// part only.
  std::int64_t sentences_for(std::int64_t first, std::int64_t tokens) const;
  /// Fills `out` with the tokens that follow `offset` tokens behind the beginning of sentence
  /// `first`.
  void copy(std::int64_t first, std::int64_t offset, std::span<std::int64_t> out) const;

 private:
  std::vector<std::int32_t> ids_;
  std::vector<std::int64_t> begins_{0};  ///< in ids_, of each sentence; last: the end
};

}  // namespace lethe::tasks
