// SPDX-License-Identifier: Apache-2.0
// What the tasks of language modelling have in common: windows of streams of tokens, each fed to
// the model by itself.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "tasks/task.h"
#include "tasks/window_options.h"

namespace lethe::tasks {

/// A text as it was when the task was made.
struct StreamText {
  std::string name;
  std::filesystem::path path;
  std::string sha256;
};

/// Texts whose tokens follow one another. Each text is tokenised by itself, whole, and nothing
/// stands between two of them: a token never spans a border, and a window does not depend on where
/// the texts around it were cut.
struct Stream {
  std::string name;    ///< samples are called "name/WINDOW"; their cluster
  std::string title;   ///< "book 860": what messages call it
  std::string sha256;  ///< names the bytes of all texts in order
  std::vector<StreamText> texts;
};

/// A window is `length` tokens fed to the model, BOS included; `length` - 1 of them are predicted
/// and scored, where a prompt is named those after it. The tail of a stream that fills no window is
/// dropped. Not thread-safe: counts and ids of texts are remembered between samples.
class WindowTask : public Task {
 public:
  std::int64_t prompt_tokens() const override { return options_.prompt.value_or(0); }
  /// Throws Error(kData) for a stream with too few tokens, saying how many it has.
  std::vector<SampleInfo> samples(const models::Tokenizer& tokenizer) const override;
  SampleOutcome run(const std::string& sample_id, const models::Tokenizer& tokenizer,
                    const models::Model& model, const RunSettings& settings) const override;

  /// Tokens of one window, BOS included: what run() feeds to the model. Builds the ids of the texts
  /// that the window touches and of no other.
  std::vector<std::int64_t> window(const std::string& sample_id,
                                   const models::Tokenizer& tokenizer) const;

 protected:
  /// `name` is the task's in messages and sample hashes. Throws Error(kConfig) for a length
  /// below 2 and a prompt that leaves nothing to score.
  WindowTask(std::string name, WindowOptions options, std::int64_t length,
             std::vector<Stream> streams);

  /// How many of a window's tokens are a BOS: 0 or 1.
  std::int64_t bos_count(const std::string& sample_id, const models::Tokenizer& tokenizer) const;

  const std::vector<Stream>& streams() const { return streams_; }
  /// The members that say which windows there are.
  json::object window_identity() const;
  /// [{"id", "sha256"}, …] of the streams.
  json::array stream_hashes() const;

 private:
  struct Place {
    const Stream& stream;
    std::int64_t first;  ///< offset in the stream's tokens
  };

  bool has_head_bos(const models::Tokenizer& tokenizer) const;
  std::int64_t windows_in(const Stream& stream, const models::Tokenizer& tokenizer) const;
  std::int64_t token_count(const StreamText& text, const models::Tokenizer& tokenizer) const;
  Place place_of(const std::string& sample_id) const;
  std::string read(const StreamText& text) const;
  const std::vector<std::int64_t>& token_ids(const StreamText& text,
                                             const models::Tokenizer& tokenizer) const;

  std::string name_;
  std::string where_;  ///< "task pg19"
  WindowOptions options_;
  std::int64_t length_;
  std::vector<Stream> streams_;
  // By hashes of text and tokenizer.
  mutable std::map<std::string, std::int64_t> counts_;
  mutable std::map<std::string, std::vector<std::int64_t>> ids_;
};

}  // namespace lethe::tasks
