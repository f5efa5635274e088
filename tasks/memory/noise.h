// SPDX-License-Identifier: Apache-2.0
// The text that facts are hidden in, one segment at a time: a sample of two million tokens is never
// held.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "harness/base/json.h"
#include "models/tokenizer/tokenizer.h"

namespace lethe::tasks {

/// Thread-safe. The same seed, segment and length give the same tokens on every machine.
class Noise {
 public:
  virtual ~Noise() = default;
  /// Fills `out` with the tokens of segment `segment` of the sample `seed`.
  virtual void fill(std::uint64_t seed, std::int64_t segment,
                    std::span<std::int64_t> out) const = 0;
};

/// Ids of a word as a tokenizer writes it inside a sentence. Throws Error(kModel) where it has no
/// token for it: the vocabulary is another one than the task's.
std::vector<std::int64_t> word_ids(const models::Tokenizer& tokenizer, const std::string& word);

/// Words drawn anew for every position from the vocabulary of data/rmt/tokenizer.json: noise words
/// by Zipf's law (frequency 1 / rank) and 8 % of "the", "to" and "of", which facts contain too
/// (arXiv 2304.11062 has natural text there; a declared deviation). `confusers`: share of tokens
/// that are one of `confuser_ids` instead, words of facts that stand alone and must not be stored.
std::shared_ptr<const Noise> word_noise(const models::Tokenizer& tokenizer,
                                        const std::vector<std::int64_t>& confuser_ids,
                                        double confusers);

/// Natural text: `pool` is a tokenised stream of books. Fresh: every segment begins at a place of
/// its own. Repeated (`document` > 0): the sample is one excerpt of so many tokens over and over,
/// as the released code of arXiv 2304.11062 makes it. `confusers` as above.
std::shared_ptr<const Noise> text_noise(std::shared_ptr<const std::vector<std::int64_t>> pool,
                                        std::int64_t document,
                                        const std::vector<std::int64_t>& confuser_ids,
                                        double confusers);

/// What noise is made of, as suites and recipes state it.
struct NoiseSource {
  std::string kind = "words";           ///< "words", "pg19" (excerpts of books) or "document"
  std::filesystem::path data;           ///< folder of the books
  std::int64_t document_tokens = 5000;  ///< of the excerpt that "document" repeats

  /// Reads "noise", "data" (looked for in the current folder, then in `root`) and
  /// "document_tokens"; all may be missing. Throws Error(kConfig) that names the member.
  static NoiseSource read(ObjectReader& reader, const std::filesystem::path& root);
  /// SHA-256 of the books by id; empty where there are none.
  json::object hashes() const;
};

/// Noises of one source that differ in their hard negatives; the books are tokenised once.
class NoiseFactory {
 public:
  NoiseFactory(NoiseSource source, const models::Tokenizer& tokenizer,
               std::vector<std::int64_t> confuser_ids);
  std::shared_ptr<const Noise> make(double confusers);

 private:
  NoiseSource source_;
  const models::Tokenizer& tokenizer_;
  std::vector<std::int64_t> confuser_ids_;
  std::shared_ptr<const std::vector<std::int64_t>> pool_;
};

}  // namespace lethe::tasks
