// SPDX-License-Identifier: Apache-2.0
// How a block's rows are shared out to threads.
#pragma once

#include <algorithm>
#include <cstdint>

#include "models/transformer/parallel.h"

namespace lethe::models {

/// Calls body(head, row, count) for every tile of a block, in parallel.
template <typename Body>
void for_each_tile(std::int64_t heads, std::int64_t rows, const Body& body) {
  // Rows of one head that a thread takes at once: their scores against a thousand columns fit its
  // second cache.
  constexpr std::int64_t kTileRows = 32;
  const std::int64_t tiles = (rows + kTileRows - 1) / kTileRows;
  parallel_rows(heads * tiles, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t row = i % tiles * kTileRows;
      body(i / tiles, row, std::min(kTileRows, rows - row));
    }
  });
}

}  // namespace lethe::models
