// SPDX-License-Identifier: Apache-2.0
// Task `recall`: key-value recall under a cache policy. The smallest task on which what a policy
// keeps decides: noise with 16 pairs, all of them asked for at the end (sequence_tasks.h).
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tasks/memory/sequence_tasks.h"
#include "tasks/task.h"

namespace lethe::tasks {

struct RecallOptions {
  std::int64_t samples = 64;
  std::int64_t seed = 0;  ///< of the test set
  /// Instead of the test set: samples of these seeds, which are never in it.
  std::vector<std::uint64_t> seeds;
  static RecallOptions parse(const json::object& object);
};

/// For decoders trained on the words of recall (`lethe train rmt --recipe recall-small`). The
/// length counts all inputs, those of the questions (32) included.
class RecallTask final : public Task {
 public:
  static constexpr int kVersion = 1;
  /// Throws Error(kConfig) for a length that leaves the pairs no room.
  RecallTask(RecallOptions options, std::int64_t length);

  json::object identity() const override;
  bool cuts_input() const override { return true; }
  /// Throws Error(kModel) for the tokenizer of a model with another vocabulary.
  std::vector<SampleInfo> samples(const models::Tokenizer& tokenizer) const override;
  /// `nll` of the 16 values in the order of the questions; the score is the share of them that the
  /// model holds likeliest. Values whose keys `truncate` has cut have no NLL and count as wrong.
  SampleOutcome run(const std::string& sample_id, const models::Tokenizer& tokenizer,
                    const models::Model& model, const RunSettings& settings) const override;
  /// The score of a stored output.
  static std::optional<double> rescore(const std::string& output);

 private:
  RecallOptions options_;
  SequenceGenerator generator_;
};

}  // namespace lethe::tasks
