// SPDX-License-Identifier: Apache-2.0
#include "models/engine/positions.h"

#include <cmath>
#include <numbers>

namespace lethe::models {

using policies::Positions;

namespace {

constexpr std::int64_t kLargestPlainGap = 10;

}  // namespace

double compressed_gap(Positions how, std::int64_t gap) {
  const auto g = static_cast<double>(gap);
  if (gap <= kLargestPlainGap) return g;
  if (how == Positions::kCompressedPaper) return std::log(std::log(g));
  return kLargestPlainGap + std::log(std::log(g - kLargestPlainGap + std::numbers::e));
}

std::vector<double> assigned_positions(Positions how, std::span<const std::int64_t> original) {
  std::vector<double> out;
  out.reserve(original.size());
  std::int64_t before = 0;
  double sum = 0;
  for (std::size_t i = 0; i < original.size(); ++i) {
    switch (how) {
      case Positions::kOriginal:
        sum = static_cast<double>(original[i]);
        break;
      case Positions::kCacheRelative:
        sum = static_cast<double>(i);
        break;
      case Positions::kCompressed:
        sum += std::ceil(compressed_gap(how, original[i] - before));
        break;
      case Positions::kCompressedPaper:
        sum += compressed_gap(how, original[i] - before);
        break;
    }
    before = original[i];
    out.push_back(sum);
  }
  return out;
}

}  // namespace lethe::models
