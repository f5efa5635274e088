// SPDX-License-Identifier: Apache-2.0
// What a recipe trains on: samples of its task, and how its form of model learns from them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "harness/base/seed.h"
#include "training/rmt_batch.h"
#include "training/rmt_checkpoint.h"
#include "training/rmt_recipe.h"

namespace lethe::training {

/// Samples of one batch. Thread-safe.
class RmtSamples {
 public:
  virtual ~RmtSamples() = default;
  /// Runs samples begin … end - 1 on the weights `flat`.
  virtual BatchResult run(const at::Tensor& flat, std::size_t begin, std::size_t end,
                          bool with_gradient) const = 0;
};

/// Which samples are drawn. A seed gives other samples for each use where the task can tell them
/// apart; seeds of their own do so everywhere.
enum class RmtUse { kTraining, kValidation };

class RmtSource {
 public:
  virtual ~RmtSource() = default;
  /// Throws Error(kConfig) for a batch that cannot be made for this model.
  virtual void check(const RmtBatch& batch) = 0;
  /// Segments of all samples of one batch.
  virtual std::int64_t segments(const RmtBatch& batch, RandomStream& random) const = 0;
  /// Segments at which a model trained with `batch` is validated, ascending.
  virtual std::vector<std::int64_t> validated(const RmtBatch& batch) const = 0;
  /// A sample of each seed. `ramp`: share of the variants of a task that has some.
  virtual std::unique_ptr<RmtSamples> draw(const RmtBatch& batch, std::int64_t segments,
                                           std::span<const std::uint64_t> seeds, RmtUse use,
                                           double ramp) = 0;
};

/// That of the recipe's task. `recipe` and `start` must live as long.
std::unique_ptr<RmtSource> rmt_source(const RmtRecipe& recipe, const RmtStart& start);

}  // namespace lethe::training
