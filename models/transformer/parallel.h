// SPDX-License-Identifier: Apache-2.0
// Our own parallel loops (oneTBB). LibTorch's products use its own OpenMP pool; both are told the
// same number of threads by set_compute_threads(), and neither spins while the other works.
#pragma once

#include <cstdint>

#include <tbb/blocked_range.h>
#include <tbb/parallel_for.h>

namespace lethe::models {

/// Calls body(begin, end) over disjoint ranges that cover [0, count), at least `grain` long each.
template <typename Body>
void parallel_rows(std::int64_t count, std::int64_t grain, const Body& body) {
  if (count <= grain) {
    if (count > 0) body(std::int64_t{0}, count);
    return;
  }
  tbb::parallel_for(
      tbb::blocked_range<std::int64_t>(0, count, static_cast<std::size_t>(grain)),
      [&](const tbb::blocked_range<std::int64_t>& range) { body(range.begin(), range.end()); });
}

}  // namespace lethe::models
