// SPDX-License-Identifier: Apache-2.0
// The dense forward with LibTorch's fused attention: what a user would run without Lethe. A third,
// independent computation of `full`, and the yardstick of `lethe bench exact`.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "models/engine/evaluate.h"
#include "models/transformer/decoder.h"

namespace lethe::models {

/// The whole text in one pass, full causal attention; no cache, no policy. O(tokens) memory, but
/// for models that cap scores: no fused kernel does, so theirs is O(heads * tokens^2).
EvaluateResult evaluate_dense(const Decoder& decoder, std::span<const std::int64_t> tokens,
                              const EvaluateOptions& options);

}  // namespace lethe::models
