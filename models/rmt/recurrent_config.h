// SPDX-License-Identifier: Apache-2.0
// What a checkpoint with recurrent memory says of itself, beside the configuration of its backbone:
// the member "lethe_rmt" of config.json.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "harness/base/json.h"

namespace lethe::models {

struct RecurrentConfig {
  std::int64_t memory_tokens = 0;   ///< m
  std::int64_t segment_tokens = 0;  ///< text tokens of a segment, T
  std::int64_t cls_id = 0;          ///< of an encoder: [CLS] memory [SEP] text [SEP]
  std::int64_t sep_id = 0;
  /// Names of the classes of its head, in order; empty for a decoder, which answers in tokens.
  std::vector<std::string> labels;
  /// How it was trained ("task", "seed", "trained_segments", …): for reports, nothing is computed
  /// from it.
  json::object training;

  bool operator==(const RecurrentConfig&) const = default;
};

json::object to_json(const RecurrentConfig& config);

/// The member of a Hugging Face folder's config.json; nothing where there is none (or no folder).
/// Throws Error(kModel) that names file and member for one that cannot be.
std::optional<RecurrentConfig> read_recurrent_config(const std::filesystem::path& checkpoint);

}  // namespace lethe::models
