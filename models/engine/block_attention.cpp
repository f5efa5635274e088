// SPDX-License-Identifier: Apache-2.0
#include "models/engine/block_attention.h"

namespace lethe::models {

std::unique_ptr<BlockAttention> make_block_attention(const Decoder& decoder,
                                                     std::int64_t block_rows) {
  return decoder.placement().backend == Backend::kHost ? host_attention(decoder, block_rows)
                                                       : tensor_attention(decoder, block_rows);
}

}  // namespace lethe::models
