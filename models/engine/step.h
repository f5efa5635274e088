// SPDX-License-Identifier: Apache-2.0
// The step path: one token at a time through every layer. The definition of a policy's effect, and
// the oracle of the scan; nothing here is shared with the scan's kernels.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "models/engine/evaluate.h"
#include "models/transformer/decoder.h"

namespace lethe::models {

/// One sequence of a lockstep evaluation. Lanes share nothing but the products of one step.
struct StepLane {
  std::span<const std::int64_t> tokens;
  const policies::PolicyPlan* policy = nullptr;
  EvaluateOptions options;  ///< progress and should_stop are taken from the first lane
};

/// Evaluates lanes of equal length in lockstep, one token a step. Attention, softmax and output are
/// plain tensor operations over the gathered live tokens in order of position.
std::vector<EvaluateResult> evaluate_step(const Decoder& decoder, std::span<const StepLane> lanes);

}  // namespace lethe::models
