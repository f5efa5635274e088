// SPDX-License-Identifier: Apache-2.0
// The exact scan: layer by layer over chunks of the text, blocks of query rows inside a layer.
#pragma once

#include <cstdint>
#include <span>

#include "models/engine/evaluate.h"
#include "models/transformer/decoder.h"

namespace lethe::models {

/// Evaluates `tokens` under `policy` (already validated). In one layer, which tokens are dropped
/// depends only on that layer's queries and keys, so every layer sees a whole chunk at once with
/// full matrix products, and only the decisions are sequential (docs/ARCHITECTURE.md, "The exact
/// scan").
EvaluateResult evaluate_scan(const Decoder& decoder, std::span<const std::int64_t> tokens,
                             const policies::PolicyPlan& policy, const EvaluateOptions& options);

}  // namespace lethe::models
