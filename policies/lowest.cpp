// SPDX-License-Identifier: Apache-2.0
#include "policies/lowest.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace lethe::policies {

double pick_lowest(std::span<const double> scores, std::size_t count,
                   std::vector<std::size_t>& victims) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (count == 0) return 0;
  if (count == 1) {
    // The exact schedule's case, once per token and layer: one pass, no allocation.
    double lowest = kInfinity, second = kInfinity;
    std::size_t index = 0;
    for (std::size_t i = 0; i < scores.size(); ++i) {
      if (scores[i] < lowest) {
        second = lowest;
        lowest = scores[i];
        index = i;
      } else if (scores[i] < second) {
        second = scores[i];
      }
    }
    victims.push_back(index);
    return scores.size() > 1 ? second - lowest : std::numeric_limits<double>::quiet_NaN();
  }
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return scores[a] < scores[b]; });
  const double margin = count < order.size() ? scores[order[count]] - scores[order[count - 1]]
                                             : std::numeric_limits<double>::quiet_NaN();
  order.resize(std::min(count, order.size()));
  std::sort(order.begin(), order.end());
  victims.insert(victims.end(), order.begin(), order.end());
  return margin;
}

}  // namespace lethe::policies
