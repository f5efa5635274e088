// SPDX-License-Identifier: Apache-2.0
// Loss and gradient of one batch of samples: all segments unrolled, memory carried from one to the
// next.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "models/rmt/recurrent_decoder.h"
#include "models/rmt/recurrent_weights.h"
#include "tasks/memory/fact_task.h"
#include "tasks/memory/sequence_tasks.h"

namespace lethe::training {

struct BatchResult {
  double loss = 0;      ///< cross-entropy, nats, sum over the samples
  double right = 0;     ///< samples that are answered right; of sequences the sum of their scores
  at::Tensor gradient;  ///< of the loss, [layout.size()]; undefined where none was asked for
};

/// Disturbs the memory from segment to segment, so that it learns to pull itself back: what it
/// cannot repair within the trained segments would add up over thousands. (Ours; neither paper has
/// it.) Uniform noise of mean 0, whose root mean square is `share` times that of the memory.
struct MemoryNoise {
  double share = 0;
  std::uint64_t seed = 0;
};

/// Runs samples of equal shape. `bptt`: segments that the gradient reaches back from the last one;
/// 0: all.
BatchResult run_batch(const models::RecurrentLayout& layout, const at::Tensor& flat,
                      std::span<const tasks::FactSample> samples, std::int64_t bptt,
                      bool with_gradient, const MemoryNoise& noise = {});

/// The same for sequences cut into `segments` equal ones, on a decoder. The loss of a sample is the
/// mean over the tokens of its target, and no other token has one. `bptt`: borders of segments, the
/// last ones, that gradients cross; 0: all (the first paper's way for these tasks, without which
/// nothing teaches the memory what to keep of the input).
BatchResult run_batch(const models::RecurrentDecoderLayout& layout, const at::Tensor& flat,
                      const tasks::SequenceGenerator& generator,
                      std::span<const tasks::SequenceSample> samples, std::int64_t segments,
                      std::int64_t bptt, bool with_gradient);

}  // namespace lethe::training
