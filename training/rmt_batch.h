// SPDX-License-Identifier: Apache-2.0
// Loss and gradient of one batch of samples: all segments unrolled, memory carried from one to the
// next.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "models/rmt/recurrent_weights.h"
#include "tasks/memory/fact_task.h"

namespace lethe::training {

struct BatchResult {
  double loss = 0;  ///< cross-entropy, nats, sum over the samples
  std::int64_t right = 0;
  at::Tensor gradient;  ///< of the loss, [layout.size()]; undefined where none was asked for
};

/// Runs samples of equal shape. `bptt`: segments that the gradient reaches back from the last one;
/// 0: all.
BatchResult run_batch(const models::RecurrentLayout& layout, const at::Tensor& flat,
                      std::span<const tasks::FactSample> samples, std::int64_t bptt,
                      bool with_gradient);

}  // namespace lethe::training
