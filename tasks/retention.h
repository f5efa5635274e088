// SPDX-License-Identifier: Apache-2.0
// Which tokens a policy keeps, and how long (TOVA, arXiv 2401.06104, section 7.3).
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "tasks/datasets/word_tags.h"
#include "tasks/pg19.h"

namespace lethe::tasks {

struct RetentionOptions {
  Pg19Options text;
  std::filesystem::path tags;  ///< folder of <book>.tsv (see word_tags.h); empty: no tags

  /// Members of Pg19Options and "tags". Throws Error(kConfig) that names the member.
  static RetentionOptions parse(const json::object& options, const std::filesystem::path& root);
};

/// Windows of PG-19 books as in pg19, scored as there; the output of a sample is JSON:
///   recency_share   of the kept tokens, mean over layers (or KV heads) where something left, each
///                   with its own budget; null where nothing left
///   mean_lifetime   in steps, over tokens and layers
///   layers          the recency share of every layer, null where nothing left
///   first           mean lifetime of the tokens at positions 0 to 24, over layers
///   tags            by tag: how many tokens, and their mean lifetime over tokens and layers
/// The score is the recency share. A sample that is resumed begins anew: what left before would not
/// be seen.
class RetentionTask final : public Pg19Task {
 public:
  static constexpr int kVersion = 2;
  static constexpr std::int64_t kFirstPositions = 25;  // Figure 9

  /// Throws as Pg19Task, and Error(kData) for a missing or damaged file of tags.
  RetentionTask(const RetentionOptions& options, std::int64_t length);

  json::object identity() const override;
  SampleOutcome run(const std::string& sample_id, const models::Tokenizer& tokenizer,
                    const models::Model& model, const RunSettings& settings) const override;

  /// The score of an output from the shares of its layers: what run() found, up to rounding.
  /// Nothing where no token left. Throws Error(kData) for what run() cannot have written.
  static std::optional<double> rescore(const std::string& output);

 private:
  std::vector<std::string> tags_of(const std::string& sample_id,
                                   std::span<const std::int64_t> tokens,
                                   const models::Tokenizer& tokenizer) const;

  struct BookTags {
    std::vector<TaggedWord> words;
    std::string sha256;  ///< of the file
  };
  std::map<std::string, BookTags> tags_;  ///< by book; empty: no tags
};

}  // namespace lethe::tasks
