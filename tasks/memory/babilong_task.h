// SPDX-License-Identifier: Apache-2.0
// The grid tasks babilong-qa1 … babilong-qa20: BABILong (arXiv 2406.10149) asked of decoders by its
// authors' prompts, and of models with recurrent memory segment by segment.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "harness/base/json.h"
#include "tasks/answer_declaration.h"
#include "tasks/answer_run.h"
#include "tasks/memory/babilong.h"
#include "tasks/memory/babilong_prompts.h"
#include "tasks/task.h"

namespace lethe::tasks {

/// Options of a task as a suite states them.
struct BabilongOptions {
  std::string data = "sample";  ///< "sample", "dataset", or a folder with bAbI's files
  std::vector<std::filesystem::path> background;  ///< folders of books
  std::int64_t samples = 100;
  bool facts_only = false;  ///< BABILong's 0k: no background
  /// Questions with more facts are left out; none: the authors' rule, (length - 300) / 8 lines with
  /// that of the question, and no limit for facts alone.
  std::optional<std::int64_t> most_facts;
  std::int64_t seed = 0;       ///< of places and background
  bool chat = true;            ///< in the model's chat template, if it has one
  bool ask_after_cut = false;  ///< the cache is cut before it sees the question
  std::int64_t segment = 512;  ///< text tokens of a segment, of recurrent models alone
  std::int64_t lanes = 8;      ///< samples in step

  /// Every member may be missing. Throws Error(kConfig) that names the member.
  static BabilongOptions parse(const std::string& task, const json::object& object,
                               const std::filesystem::path& root);
};

/// Length: of a decoder, the tokens of the whole prompt, exactly (facts_only: at most); of a
/// recurrent model, the tokens of text and question, whole segments. Sample id "qa1/INDEX", INDEX
/// of the question in bAbI's file; its cluster is the story, whose facts it shares with other
/// questions. First come the authors' 100 test questions (data/babilong/test_100_idxs.json), then
/// the others.
///
/// Output: as AnswerTask writes it (and scores it again), by babilong_compare_answers, the older
/// rule beside it, and scrolls_exact_match. Of a decoder with "fact_tokens", where in the prompt,
/// before any cut, each fact begins; a recurrent model's answer is the name of its class, with what
/// MemoryTask writes.
class BabilongTask final : public Task {
 public:
  /// Raised by hand when the same options give other samples or numbers.
  static constexpr int kVersion = 1;
  /// What names of these tasks begin with; the rest is the authors' name of one.
  static constexpr const char* kPrefix = "babilong-";

  static constexpr std::int64_t kLongest = std::int64_t{1} << 34;

  /// Reads questions and hashes books. `name` is "babilong-qa1" and so on. Throws Error(kConfig)
  /// for an unknown task, a length outside [2, kLongest] or too few questions that fit it,
  /// Error(kData) for files that are missing or damaged.
  BabilongTask(const std::string& name, BabilongOptions options, std::int64_t length,
               const std::filesystem::path& root);

  json::object identity() const override;
  std::int64_t prompt_tokens() const override { return length_; }
  bool generates() const override { return true; }
  bool cuts_input() const override { return true; }
  bool uses_chat_template() const override { return options_.chat; }
  bool uses_end_ids() const override { return true; }
  std::vector<SampleInfo> samples(const models::Tokenizer& tokenizer) const override;
  SampleOutcome run(const std::string& sample_id, const models::Tokenizer& tokenizer,
                    const models::Model& model, const RunSettings& settings) const override;
  void run_all(std::span<const std::string> sample_ids, const models::Tokenizer& tokenizer,
               const models::Model& model, const RunSettings& settings,
               const SampleHooks& hooks) const override;
  bool runs_recurrent() const override { return true; }
  void check_recurrent(const models::RecurrentConfig& config) const override;
  void run_recurrent(std::span<const std::string> sample_ids, const models::Tokenizer& tokenizer,
                     const models::RecurrentModel& model, const RunSettings& settings,
                     const SampleHooks& hooks) const override;

 private:
  std::string id_of(const BabiQuestion& question) const;
  const BabiQuestion& question(const std::string& id) const;
  std::uint64_t seed_of(const BabiQuestion& question) const;
  BabilongGenerator generator(const models::Tokenizer& tokenizer) const;
  AnswerRecord record(const BabiQuestion& question) const;
  AskedAnswer ask(const BabiQuestion& question, const BabilongGenerator& texts,
                  const models::Tokenizer& tokenizer, const RunSettings& settings) const;

  std::string name_;
  BabilongOptions options_;
  std::int64_t length_;
  std::filesystem::path root_;
  BabilongPrompt prompt_;
  AnswerDeclaration declaration_;
  std::vector<BabiQuestion> questions_;    ///< in the order in which they are asked
  std::map<std::string, std::size_t> at_;  ///< index into questions_ by sample id
  std::string questions_sha256_;           ///< of bAbI's file
  json::object books_;                     ///< hashes of the background's texts
  // Of the tokenizer last seen: a pool of books takes seconds to tokenise.
  mutable std::mutex mutex_;
  mutable std::string tokenizer_sha256_;
  mutable std::shared_ptr<const Background> background_;
};

}  // namespace lethe::tasks
