// SPDX-License-Identifier: Apache-2.0
// What a checkpoint with recurrent memory says of itself, beside the configuration of its backbone:
// the member "lethe_rmt" of config.json.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/error.h"
#include "harness/base/json.h"

namespace lethe::models {

enum class RecurrentForm {
  kEncoder,  ///< [CLS] memory [SEP] text [SEP], classes out (arXiv 2304.11062, section 2)
  kDecoder,  ///< memory text memory, next tokens out (arXiv 2207.06881, section 3)
};

/// What a segment of a decoder sees.
enum class RecurrentMask {
  kCausal,  ///< every token what stands before it: the wrapper around released decoders
  /// The first paper's: read memory sees itself whole, text that and its past, write memory
  /// everything (arXiv 2207.06881, section 3 and figure 6d).
  kPaper,
};
/// "causal", "paper". Throws Error(kind) with a suggestion.
RecurrentMask parse_recurrent_mask(std::string_view text, ErrorKind kind);
std::string to_string(RecurrentMask mask);

struct RecurrentConfig {
  RecurrentForm form = RecurrentForm::kEncoder;
  std::int64_t memory_tokens = 0;   ///< m
  std::int64_t segment_tokens = 0;  ///< text tokens of a segment, T
  std::int64_t cls_id = 0;          ///< of an encoder: [CLS] memory [SEP] text [SEP]
  std::int64_t sep_id = 0;
  RecurrentMask mask = RecurrentMask::kCausal;  ///< of a decoder
  /// Names of the classes of an encoder's head, in order; a decoder answers in tokens.
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
