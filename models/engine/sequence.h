// SPDX-License-Identifier: Apache-2.0
// What both paths keep for one sequence: a cache and a policy per layer, and its closing figures.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "models/engine/kv_cache.h"
#include "models/engine/layer_policy.h"
#include "models/transformer/decoder.h"

namespace lethe::models {

struct SequenceLayer {
  LayerCache cache;
  LayerPolicy policy;
  double largest_position = 0;  ///< that a key was rotated by, where it was given a new one
};

/// One cache and one policy instance per layer. `extra_slots` is how many tokens are written before
/// the policy is asked (the block of the scan, 1 on the step path).
std::vector<SequenceLayer> make_sequence(const Decoder& decoder, const policies::PolicyPlan& policy,
                                         const EvaluateOptions& options, std::int64_t tokens,
                                         std::int64_t extra_slots);

/// What one sequence holds, between two blocks; and that into a sequence of the same making.
void save_sequence(StateWriter& out, std::span<const SequenceLayer> layers);
void load_sequence(const StateReader& in, std::span<SequenceLayer> layers);

/// Fills layers and the figures of the cache; reports the kept sets to the observer.
void finish_sequence(const std::vector<SequenceLayer>& layers, std::int64_t tokens,
                     const EvaluateOptions& options, EvaluateResult& result);

/// Copies the logits of requested rows that lie in [first, first + hidden.size(0)).
void collect_logits(const Decoder& decoder, const at::Tensor& hidden, std::int64_t first,
                    const EvaluateOptions& options, EvaluateResult& result);

}  // namespace lethe::models
