// SPDX-License-Identifier: Apache-2.0
// How fast the scan's matrix products alone can run here: the GEMM limit of `lethe bench exact`.
#pragma once

#include <cstdint>

#include "models/engine/evaluate.h"
#include "models/transformer/decoder.h"

namespace lethe::models {

/// Times the weight products of one chunk at the model's shapes (fused QKV, output, gate-up, down,
/// LM head; one layer, scaled to all) and charges the attention products of a cache of `budget`
/// tokens (budget + block columns) at the same rate.
ProductTime time_products(const Decoder& decoder, std::int64_t chunk_tokens,
                          std::int64_t block_rows, std::int64_t budget);

}  // namespace lethe::models
