// SPDX-License-Identifier: Apache-2.0
// Questions about documents, answered by generation and scored by the benchmark's own metrics:
// LongBench, SQuALITY, QASPER, QMSum and whatever a declaration describes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "tasks/answer_declaration.h"
#include "tasks/metrics/metric.h"
#include "tasks/task.h"

namespace lethe::tasks {

/// Options of an answer task as a suite states them.
struct AnswerOptions {
  std::filesystem::path declaration;    ///< "file": of a task that does not ship
  std::string data = "dataset";         ///< "dataset", "sample", or a folder with the task's file
  std::optional<std::int64_t> records;  ///< samples, the first of the file; none: all
  std::int64_t lanes = 8;               ///< samples in step: changes no token, but rates
  bool ask_after_cut = false;           ///< the cache is cut before it sees the question

  /// Throws Error(kConfig) that names the member. `name` is the task's: data/tasks/NAME.json below
  /// `root` where no "file" is given.
  static AnswerOptions parse(const std::string& name, const json::object& options,
                             const std::filesystem::path& root);
};

/// A sample's prompt is read under the cell's schedule and answered greedily; the cell's length is
/// the most tokens of a prompt. Policy `truncate` at budget k means here that the input is cut to k
/// tokens, the prompt included, and read with the full cache (the baseline of TOVA, arXiv
/// 2401.06104, section 5.2). With ask_after_cut, prefill-only, post-prompt and every:m cut after
/// the document, so that many questions are put to one pruned cache (as kvpress evaluates).
///
/// The output of a sample is JSON:
///   text, answer      what came, and what of it is scored
///   stop              "end", "stop" or "length"
///   prompt_sha256     of the text that the model read
///   cut               {"from", "tokens"} of the prompt, or null
///   scores            every number of every metric, by name, 1 is perfect
///   raises            where the owner's own program raises an exception: which; there is no score
///   references, classes, words, metrics   what the score follows from
class AnswerTask final : public Task {
 public:
  static constexpr int kVersion = 1;

  /// Reads the records. Throws Error(kConfig) for a declaration that is wrong, Error(kData) for
  /// records that are missing, damaged or have no document.
  AnswerTask(AnswerDeclaration declaration, AnswerOptions options, std::int64_t length,
             const std::filesystem::path& root);

  json::object identity() const override;
  std::int64_t prompt_tokens() const override { return length_; }
  bool generates() const override { return true; }
  bool cuts_input() const override { return true; }
  bool uses_chat_template() const override { return declaration_.chat; }
  bool uses_end_ids() const override { return true; }
  std::vector<SampleInfo> samples(const models::Tokenizer& tokenizer) const override;
  SampleOutcome run(const std::string& sample_id, const models::Tokenizer& tokenizer,
                    const models::Model& model, const RunSettings& settings) const override;
  void run_all(std::span<const std::string> sample_ids, const models::Tokenizer& tokenizer,
               const models::Model& model, const RunSettings& settings,
               const SampleHooks& hooks) const override;

  /// The score of an output from its text and references. Nothing where the owner's program raises
  /// an exception. Throws Error(kData) for what run() cannot have written, or a metric's version
  /// that is no longer computed.
  static std::optional<double> rescore(const std::string& output,
                                       const std::filesystem::path& root);

 private:
  const AnswerRecord& record(const std::string& id) const;
  /// What a sample is, wherever its record lies and however it is packed.
  std::string content_hash(const AnswerRecord& record) const;
  std::string records_sha256() const;
  /// The fewest tokens that the questions about the sample's document leave of it; nothing where it
  /// stays whole.
  std::optional<std::int64_t> shortest_document(const AnswerRecord& sample, std::int64_t limit,
                                                const models::Tokenizer& tokenizer,
                                                const models::ChatTemplate* chat) const;

  AnswerDeclaration declaration_;
  AnswerOptions options_;
  std::int64_t length_;
  std::int64_t room_;  ///< tokens that a prompt may have
  std::filesystem::path root_;
  std::filesystem::path data_file_;
  std::vector<AnswerRecord> records_;
};

}  // namespace lethe::tasks
