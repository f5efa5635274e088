// SPDX-License-Identifier: Apache-2.0
// Choosing the lowest scores: what every scoring policy ends with.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace lethe::policies {

/// Appends the indices of the `count` lowest scores to `victims`, ascending. Ties go to the lowest
/// index, which is the oldest token. Returns the margin: the distance from the highest evicted to
/// the lowest kept score (NaN when nothing is kept).
double pick_lowest(std::span<const double> scores, std::size_t count,
                   std::vector<std::size_t>& victims);

}  // namespace lethe::policies
