// SPDX-License-Identifier: Apache-2.0
// What a training run starts from, and the checkpoint folder it leaves.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "models/checkpoint/checkpoint.h"
#include "models/rmt/recurrent_decoder.h"
#include "models/rmt/recurrent_weights.h"
#include "training/rmt_trainer.h"

namespace lethe::training {

struct RmtStart {
  /// Folder that has it; empty for a sequence task, which brings its own vocabulary.
  std::filesystem::path tokenizer;
  std::unique_ptr<models::Checkpoint> backbone;  ///< null: from nothing
  // One of the two, as the task asks for.
  std::unique_ptr<models::RecurrentLayout> layout;          ///< of an encoder
  std::unique_ptr<models::RecurrentDecoderLayout> decoder;  ///< of a decoder

  const models::FlatLayout& flat_layout() const;
};

/// Throws Error(kConfig) for a model that cannot be, Error(kModel) for a backbone of another kind.
RmtStart rmt_start(const RmtRecipe& recipe, const RmtTrainOptions& options);

/// How far the run has come.
struct RmtReached {
  std::int64_t steps = 0;
  std::int64_t stages = 0;
  double seconds = 0;
  std::string key;
  std::vector<double> validation;
};

/// Writes config.json, model.safetensors, provenance.json and, where there is one, tokenizer.json,
/// each whole or not at all: an interrupted write leaves the older file. Throws Error(kStore).
void write_rmt_checkpoint(const std::filesystem::path& folder, const RmtRecipe& recipe,
                          const RmtTrainOptions& options, const RmtStart& start,
                          const at::Tensor& flat, const RmtReached& reached);

}  // namespace lethe::training
