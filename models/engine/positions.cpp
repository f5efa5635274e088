// SPDX-License-Identifier: Apache-2.0
#include "models/engine/positions.h"

#include <array>
#include <cmath>
#include <numbers>

#include "harness/base/error.h"
#include "harness/base/names.h"

namespace lethe::models {
namespace {

constexpr std::int64_t kLargestPlainGap = 10;
const std::array<std::string, 4> kNames = {"original", "cache-relative", "compressed",
                                           "compressed-paper"};

}  // namespace

Positions parse_positions(std::string_view text) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (text == kNames[i]) return static_cast<Positions>(i);
  }
  throw unknown_name(ErrorKind::kConfig, "positions", text, kNames);
}

std::string to_string(Positions positions) {
  return kNames[static_cast<std::size_t>(positions)];
}

void check_positions(const policies::PolicyPlan& policy, Positions positions) {
  if (positions == Positions::kOriginal || !policy.traits.reads_whole_text) return;
  throw Error(ErrorKind::kConfig, "policy '" + policy.text +
                                      "' looks at the whole text at once; it has positions "
                                      "'original' only, found '" +
                                      to_string(positions) + "'");
}

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
