// SPDX-License-Identifier: Apache-2.0
// How a model with recurrent memory is trained: a JSON file, data/rmt/recipes/NAME.json.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "harness/base/json.h"
#include "models/rmt/recurrent_config.h"
#include "tasks/memory/fact_task.h"
#include "tasks/memory/sequence_tasks.h"

namespace lethe::training {

/// The encoder that is trained from nothing, or the folder of a pretrained one; for a sequence task
/// the decoder that is trained from nothing.
struct RmtModelRecipe {
  std::string backbone;  ///< folder of a BERT checkpoint; "": from nothing
  std::int64_t layers = 2, hidden = 64, heads = 4, intermediate = 128;
  std::int64_t positions = 512;
  std::int64_t relative_clip = 12;
  bool norm_before = false;
  std::int64_t memory = 10;    ///< memory tokens, m
  std::int64_t segment = 499;  ///< text tokens of the finished model's segments
  // Of a decoder; its segments follow from the task.
  std::string architecture = "gpt2";  ///< or "llama"
  std::int64_t kv_heads = 4;          ///< of "llama"
  models::RecurrentMask mask = models::RecurrentMask::kCausal;
};

/// One kind of batch of a stage.
struct RmtBatch {
  double share = 1;           ///< of the stage's batches, against the others' shares
  std::int64_t segment = 50;  ///< text tokens of a segment
  std::int64_t batch = 64;    ///< samples
  /// Most segments: taken by half of the batches, the others 1 … most. Of a sequence task: of all.
  std::int64_t segments = 1;
  double confusers = 0;  ///< hard negatives, share of tokens
  /// Of a sequence task: the size of this batch's samples where it is not the recipe's (recall,
  /// whose vocabulary does not depend on it: short texts first).
  std::int64_t size = 0;
};

struct RmtStage {
  std::string name;
  std::int64_t steps = 0;  ///< at most
  std::int64_t least_steps = 0;
  double until = 2;     ///< ends when the moving average of the accuracy reaches this
  double rate = 1e-3;   ///< learning rate at its begin
  double rate_end = 0;  ///< … at its end, by half a cosine; 0: the same all through
  /// Reasoning: while the moving average is above ramp_above, the other variants of facts and
  /// questions grow by this share a step, from none; 0: all variants from the begin.
  double ramp = 0;
  double ramp_above = 0.9;
  std::vector<RmtBatch> batches;
};

struct RmtRecipe {
  std::string name, title;
  /// The first paper's tasks; where there is one, what follows of facts and noise has no meaning.
  std::optional<tasks::SequenceOptions> sequence;
  tasks::FactTask task = tasks::FactTask::kDetect;
  tasks::FactPlace place = tasks::FactPlace::kUniform;
  tasks::NoiseSource noise;
  RmtModelRecipe model;
  double weight_decay = 0.01;
  double clip_norm = 1.0;
  std::int64_t warmup = 100;  ///< steps of the whole run
  double memory_noise = 0;    ///< of the memory tasks: MemoryNoise::share (rmt_batch.h)
  /// Segments that a gradient reaches back from the last one (borders that it crosses); 0: all.
  std::int64_t bptt = 0;
  /// Parts of a batch whose gradients are formed apart and added in order: the result does not
  /// depend on how many threads share them.
  std::int64_t shards = 4;
  std::vector<RmtStage> stages;
  json::object text;  ///< the file as read

  std::string task_name() const;
  std::int64_t most_steps() const;
  /// Most segments that any batch has.
  std::int64_t trained_segments() const;
};

/// Throws Error(kConfig) that names file, member and value.
/// `root` is the folder that holds data/.
RmtRecipe parse_rmt_recipe(const json::value& value, const std::string& where,
                           const std::filesystem::path& root);
RmtRecipe read_rmt_recipe(const std::filesystem::path& path, const std::filesystem::path& root);

}  // namespace lethe::training
