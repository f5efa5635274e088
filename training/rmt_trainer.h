// SPDX-License-Identifier: Apache-2.0
// Trains a model with recurrent memory by a recipe (arXiv 2304.11062, section 4.1: a curriculum of
// segments, back-propagation through all of them). No tensor type crosses this header.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "training/events.h"
#include "training/rmt_recipe.h"

namespace lethe::training {

struct RmtTrainOptions {
  std::uint64_t seed = 1;
  int threads = 1;             ///< shares the shards of a batch
  std::string device = "cpu";  ///< of all shards
  /// Folder of the checkpoint; the state of an unfinished run lies in it as train.state.
  std::filesystem::path out;
  std::filesystem::path vocabulary;  ///< folder of the tokenizer, unless the recipe has a backbone
  double state_seconds = 60;         ///< how often the state is saved
  bool keep_stages = false;          ///< also a checkpoint of every stage, OUT/stages/NAME
  json::object provenance;           ///< who trained it, for provenance.json
};

struct RmtTrainResult {
  bool finished = false;  ///< false: stopped; the state is saved
  std::int64_t steps = 0;
  double seconds = 0;  ///< those before a resume included
  /// Accuracy of the finished model at 1 … trained segments, or at those of a sequence task.
  std::vector<double> validation;
};

/// Trains, or goes on where an earlier run of the same recipe and seed was stopped: the result is
/// the same to the bit. Throws Error(kConfig) for a recipe that the model cannot carry out,
/// Error(kData) when the state in `out` belongs to another recipe or seed, Error(kStore) when a
/// file cannot be written, and Error(kModel) when the loss is no longer finite.
RmtTrainResult train_rmt(const RmtRecipe& recipe, const RmtTrainOptions& options,
                         EventSink& events);

/// Everything but the seed that a run depends on: the recipe's text, and hashes of vocabulary or
/// backbone and of the books that noise is taken from.
json::object rmt_run_inputs(const RmtRecipe& recipe, const RmtTrainOptions& options);

/// What identifies a run: SHA-256 over rmt_run_inputs() and the seed.
std::string rmt_run_key(const RmtRecipe& recipe, const RmtTrainOptions& options);

/// Whether `options.out` holds the checkpoint that this run would make, whole: its provenance names
/// the run, and the hash of the model that lies beside it. Throws Error(kData) for a provenance
/// that is no JSON.
bool is_trained(const RmtRecipe& recipe, const RmtTrainOptions& options);
/// Throws Error(kConfig) when options.out holds what another finished run left.
void require_free(const RmtRecipe& recipe, const RmtTrainOptions& options);

}  // namespace lethe::training
