// SPDX-License-Identifier: Apache-2.0
// The grid tasks memorise, detect and reasoning: facts in a stream of noise (fact_task.h), answered
// by a model with recurrent memory, or by a decoder under an eviction policy that reads the same
// form of text and chooses among the six places by their likelihood.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "harness/base/json.h"
#include "tasks/memory/fact_task.h"
#include "tasks/task.h"

namespace lethe::tasks {

/// Options of the tasks as a suite states them.
struct MemoryTaskOptions {
  FactTask task = FactTask::kDetect;
  FactPlace place = FactPlace::kUniform;  ///< "fact"
  std::int64_t segment = 499;             ///< text tokens of a segment
  double confusers = 0.0005;              ///< hard negatives, share of tokens
  NoiseSource noise;
  std::int64_t samples = 64;
  std::int64_t seed = 0;   ///< of the test set
  std::int64_t lanes = 4;  ///< samples that go through a recurrent model in step

  /// Every member may be missing. Throws Error(kConfig) that names the member.
  static MemoryTaskOptions parse(const std::string& task, const json::object& object,
                                 const std::filesystem::path& root);
};

/// Length: text tokens, a multiple of `segment`. Sample id "SEED/INDEX". Score 1 for the right
/// place, else 0. Output: {"answer", "predicted", "segments", "fact_segments", "logits",
/// "resident_bytes"}. Samples are independent: each is its own cluster.
class MemoryTask final : public Task {
 public:
  /// Raised by hand when the same options give other samples or numbers.
  static constexpr int kVersion = 1;
  static constexpr std::int64_t kMostSegments = std::int64_t{1} << 15;

  /// Throws Error(kConfig) for a length that is no multiple of the segment or has more than
  /// kMostSegments.
  MemoryTask(MemoryTaskOptions options, std::int64_t length);

  json::object identity() const override;
  std::vector<SampleInfo> samples(const models::Tokenizer& tokenizer) const override;
  SampleOutcome run(const std::string& sample_id, const models::Tokenizer& tokenizer,
                    const models::Model& model, const RunSettings& settings) const override;
  bool runs_recurrent() const override { return true; }
  void check_recurrent(const models::RecurrentConfig& config) const override;
  void run_recurrent(std::span<const std::string> sample_ids, const models::Tokenizer& tokenizer,
                     const models::RecurrentModel& model, const RunSettings& settings,
                     const SampleHooks& hooks) const override;

  /// The score of a stored output. Throws Error(kData) for one that is none of the task's.
  static std::optional<double> rescore(const std::string& output);

 private:
  const FactGenerator& generator(const models::Tokenizer& tokenizer) const;
  FactSample sample(const std::string& id, const models::Tokenizer& tokenizer) const;
  std::string id_of(std::int64_t index) const;

  MemoryTaskOptions options_;
  std::int64_t segments_;
  json::object books_;  ///< hashes of what noise comes from
  // Of the tokenizer last seen: a pool of books takes seconds to tokenise.
  mutable std::mutex mutex_;
  mutable std::string tokenizer_sha256_;
  mutable std::unique_ptr<const FactGenerator> generator_;
};

}  // namespace lethe::tasks
