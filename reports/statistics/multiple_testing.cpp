// SPDX-License-Identifier: Apache-2.0
#include "reports/statistics/multiple_testing.h"

#include <algorithm>
#include <numeric>

namespace lethe::reports {
namespace {

std::vector<std::size_t> ascending(std::span<const double> p) {
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return p[a] < p[b]; });
  return order;
}

}  // namespace

std::vector<double> holm(std::span<const double> p) {
  const auto order = ascending(p);
  std::vector<double> adjusted(p.size());
  double floor = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    floor = std::max(floor, std::min(1.0, static_cast<double>(p.size() - i) * p[order[i]]));
    adjusted[order[i]] = floor;
  }
  return adjusted;
}

std::vector<double> benjamini_hochberg(std::span<const double> p) {
  const auto order = ascending(p);
  std::vector<double> adjusted(p.size());
  double ceiling = 1;
  for (std::size_t i = order.size(); i-- > 0;) {
    const double scale = static_cast<double>(p.size()) / static_cast<double>(i + 1);
    ceiling = std::min(ceiling, scale * p[order[i]]);
    adjusted[order[i]] = ceiling;
  }
  return adjusted;
}

}  // namespace lethe::reports
