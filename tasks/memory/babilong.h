// SPDX-License-Identifier: Apache-2.0
// BABILong (Kuratov et al., arXiv 2406.10149, sections 2 and 3): the facts of a bAbI story among
// the sentences of books, at any length.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tasks/datasets/babi_questions.h"
#include "tasks/memory/background.h"
#include "tasks/memory/segment_source.h"

namespace lethe::tasks {

/// Facts in their order among background sentences in theirs. Any part of it can be asked for at
/// any time; what is held is the facts and where they stand, whatever the length.
class BabilongText {
 public:
  std::int64_t tokens() const { return tokens_; }
  /// First token of each fact, ascending.
  std::vector<std::int64_t> fact_offsets() const;
  /// Fills `out` with the tokens from `first` on. first + out.size() <= tokens().
  void fill(std::int64_t first, std::span<std::int64_t> out) const;

 private:
  friend class BabilongGenerator;
  struct Fact {
    std::int64_t begin;       ///< in the text
    std::int64_t background;  ///< tokens of background before it
    std::vector<std::int64_t> ids;
  };
  void fill_background(std::int64_t offset, std::span<std::int64_t> out) const;

  std::shared_ptr<const Background> background_;
  std::vector<std::int64_t> opening_;  ///< a background sentence that begins the text
  std::int64_t sentence_ = 0;          ///< the one behind it
  std::vector<Fact> facts_;
  std::int64_t tokens_ = 0;
};

/// Thread-safe. Keeps a reference to the tokenizer.
class BabilongGenerator {
 public:
  /// Without a sentence in `background` there are texts of facts alone.
  BabilongGenerator(std::shared_ptr<const Background> background,
                    const models::Tokenizer& tokenizer);

  /// A text of exactly `tokens` tokens: the background begins with a sentence drawn by the seed and
  /// its last sentence is cut where the length is reached; each fact stands at a uniformly random
  /// border of sentences, the two ends included (sorted draws: facts keep their order, several may
  /// meet). The draws are shares of the borders, so one seed puts facts at the same depth at every
  /// length. Without `tokens`: the facts alone. Throws Error(kData) where they have more tokens
  /// than that, and for a text with a background that has no sentence.
  BabilongText text(const BabiQuestion& question, std::uint64_t seed,
                    std::optional<std::int64_t> tokens) const;

  /// The same as segments for a model with recurrent memory, the question being the last tokens of
  /// the last one. As in the authors' code a segment may begin inside a sentence or a fact.
  /// `labels`: the classes, one of which is the answer. Throws Error(kData) where facts and
  /// question have no room, or the question is longer than a segment, Error(kModel) for a tokenizer
  /// that does not know the labels.
  std::unique_ptr<SegmentSource> segments(const BabiQuestion& question, std::uint64_t seed,
                                          std::int64_t segments, std::int64_t segment_tokens,
                                          std::span<const std::string> labels) const;

 private:
  std::shared_ptr<const Background> background_;
  const models::Tokenizer& tokenizer_;
  SentenceTokens sentences_;
};

}  // namespace lethe::tasks
