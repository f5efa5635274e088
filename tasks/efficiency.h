// SPDX-License-Identifier: Apache-2.0
// How many samples fit into a given memory under a cache budget, and how fast they decode (TOVA,
// arXiv 2401.06104, section 7.1 and Table 1).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "tasks/continuation.h"

namespace lethe::tasks {

struct EfficiencyOptions {
  ContinuationOptions generation;  ///< without "lanes": the memory decides
  std::int64_t memory_mib = 256;   ///< for keys and values of all samples in step

  /// Members of ContinuationOptions but "lanes", and "memory_mib". Throws Error(kConfig) that names
  /// the member.
  static EfficiencyOptions parse(const json::object& options, const std::filesystem::path& root);
};

/// As `continuation`, in batches of as many samples as the memory holds under the cell's policy and
/// budget. The output of a sample is JSON: "lanes", the samples of its batch (the last may have
/// fewer), and "text". What a batch decodes together is lanes x decode_tokens_per_s.
class EfficiencyTask final : public ContinuationTask {
 public:
  static constexpr int kVersion = 1;

  EfficiencyTask(const EfficiencyOptions& options, std::int64_t length);

  json::object identity() const override;
  void run_all(std::span<const std::string> sample_ids, const models::Tokenizer& tokenizer,
               const models::Model& model, const RunSettings& settings,
               const SampleHooks& hooks) const override;

 private:
  /// Samples whose caches fit into the memory. Throws Error(kConfig) where not one does.
  std::int64_t fitting(const models::Model& model, const RunSettings& settings) const;
  std::int64_t lanes_of(const models::Model& model, const RunSettings& settings,
                        std::size_t samples) const override;
  std::string output_of(std::string text, std::int64_t lanes) const override;

  std::int64_t memory_bytes_;
  std::int64_t length_;
};

}  // namespace lethe::tasks
