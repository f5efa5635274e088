// SPDX-License-Identifier: Apache-2.0
// The exact scan: layer by layer over chunks of the text, blocks of query rows inside a layer.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "models/engine/evaluate.h"
#include "models/engine/sequence.h"
#include "models/transformer/decoder.h"

namespace lethe::models {

/// Evaluates `tokens` under `policy` (already validated). In one layer, which tokens are dropped
/// depends only on that layer's queries and keys, so every layer sees a whole chunk at once with
/// full matrix products, and only the decisions are sequential (docs/ARCHITECTURE.md, "The exact
/// scan").
EvaluateResult evaluate_scan(const Decoder& decoder, std::span<const std::int64_t> tokens,
                             const policies::PolicyPlan& policy, const EvaluateOptions& options);

/// A prompt that has gone through the layers.
struct ScannedPrompt {
  std::vector<SequenceLayer> layers;
  std::vector<float> logits;  ///< of the token after the prompt, [vocab]
  std::int64_t shared_tokens = 0;
};

/// The same for a prompt that `max_new` tokens will follow: nothing is scored.
ScannedPrompt scan_prompt(const Decoder& decoder, std::span<const std::int64_t> tokens,
                          std::int64_t max_new, const policies::PolicyPlan& policy,
                          const EvaluateOptions& options);

}  // namespace lethe::models
