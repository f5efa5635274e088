// SPDX-License-Identifier: Apache-2.0
// Masked softmax of attention rows on the host. A column is alive over one contiguous interval of
// rows, so the whole mask of a block is two integers per column.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace lethe::models {

/// First and last row of a block in which each column takes part. A dead column has first > last.
struct ColumnLife {
  std::vector<std::int32_t> first;
  std::vector<std::int32_t> last;

  /// All columns dead. `columns` is a multiple of 16.
  void reset(std::size_t columns) {
    first.assign(columns, std::numeric_limits<std::int32_t>::max());
    last.assign(columns, -1);
  }
};

/// scores[c] := exp(scores[c] - m) for columns alive in `row`, 0 elsewhere; m is the largest alive
/// score. Returns the sum. `columns` is a multiple of 16; at least one column is alive.
template <typename T>
T exp_alive(T* scores, std::size_t columns, const ColumnLife& life, std::int32_t row);

/// Sum of the columns that are alive in `row`.
template <typename T>
T sum_alive(const T* weights, std::size_t columns, const ColumnLife& life, std::int32_t row);

/// weights[c] *= factor for columns alive in `row`; the others become 0.
template <typename T>
void scale_alive(T* weights, std::size_t columns, const ColumnLife& life, std::int32_t row,
                 T factor);

}  // namespace lethe::models
