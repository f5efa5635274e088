// SPDX-License-Identifier: Apache-2.0
// Books continued by the model under a cache budget: the text, and how fast it came.
#pragma once

#include <cstdint>
#include <filesystem>

#include "tasks/pg19.h"
#include "tasks/window_task.h"

namespace lethe::tasks {

/// Options of the task as a suite states them: those of pg19, and how many tokens are new.
struct ContinuationOptions {
  Pg19Options text;
  std::int64_t new_tokens = 64;
  std::int64_t lanes = 8;  ///< samples in step: changes no token, but rates

  /// Throws Error(kConfig) that names the member.
  static ContinuationOptions parse(const json::object& options, const std::filesystem::path& root);
};

/// The first `length` - `new_tokens` tokens of a window of a book are the prompt; the rest is
/// generated, greedily, end tokens or not, so that every sample does the same work. Samples stand
/// in lanes. A few tokens are generated before, unmeasured: the first products of a process are
/// slow.
class ContinuationTask : public WindowTask {
 public:
  static constexpr int kVersion = 1;

  /// Throws as Pg19Task, and Error(kConfig) for a length that leaves no prompt.
  ContinuationTask(const ContinuationOptions& options, std::int64_t length);

  json::object identity() const override;
  bool generates() const override { return true; }
  SampleOutcome run(const std::string& sample_id, const models::Tokenizer& tokenizer,
                    const models::Model& model, const RunSettings& settings) const override;
  void run_all(std::span<const std::string> sample_ids, const models::Tokenizer& tokenizer,
               const models::Model& model, const RunSettings& settings,
               const SampleHooks& hooks) const override;

 protected:
  /// For tasks over the same prompts under another name.
  ContinuationTask(std::string name, const ContinuationOptions& options, std::int64_t length);
  /// Samples in step in a cell of `samples`.
  virtual std::int64_t lanes_of(const models::Model& model, const RunSettings& settings,
                                std::size_t samples) const;
  /// What is stored of a generated text.
  virtual std::string output_of(std::string text, std::int64_t lanes) const;
  std::int64_t new_tokens() const { return new_tokens_; }

 private:
  std::int64_t new_tokens_;
  std::int64_t lanes_;
};

}  // namespace lethe::tasks
