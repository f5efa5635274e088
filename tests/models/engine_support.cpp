// SPDX-License-Identifier: Apache-2.0
#include "tests/models/engine_support.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace lethe::test {

void Recorder::evicted(std::int64_t step, int layer, int head, std::int64_t position, double) {
  victims[{layer, head}].push_back({step, position});
}

void Recorder::kept(int layer, int head, std::span<const std::int64_t> positions) {
  kept_sets[{layer, head}].assign(positions.begin(), positions.end());
}

void Recorder::scored(std::int64_t step, double value) {
  if (step != static_cast<std::int64_t>(nll.size())) throw std::logic_error("scores out of order");
  nll.push_back(value);
}

FlipReport compare_victims(const PolicyCase& expected, const Recorder& actual, double near_tie) {
  constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
  FlipReport report;
  std::map<int, std::int64_t> first_flip_of_layer;      // step of the earliest flip
  for (const auto& [key, golden] : expected.victims) {  // ascending layers
    const auto found = actual.victims.find(key);
    const std::string where =
        "layer " + std::to_string(key.first) + " head " + std::to_string(key.second);
    if (found == actual.victims.end() || found->second.size() != golden.size()) {
      report.unexcused = where + ": another number of victims";
      return report;
    }
    std::int64_t excused_after = kNever;
    for (const auto& [layer, step] : first_flip_of_layer) {
      if (layer < key.first) excused_after = std::min(excused_after, step);
    }
    for (std::size_t i = 0; i < golden.size(); ++i) {
      const auto& eviction = found->second[i];
      const std::int64_t step = expected.budget + static_cast<std::int64_t>(i);
      if (eviction.step != step) {
        report.unexcused = where + ": victim " + std::to_string(i) + " left at another token";
        return report;
      }
      if (step > excused_after) break;
      if (eviction.position == golden[i]) continue;
      const auto margins = expected.margin_rel.find(key);
      const bool tie = margins != expected.margin_rel.end() && margins->second[i] <= near_tie;
      if (!tie) {
        report.unexcused = where + " token " + std::to_string(step) + ": expected victim " +
                           std::to_string(golden[i]) + ", found " +
                           std::to_string(eviction.position);
        return report;
      }
      ++report.flips;
      auto [slot, added] = first_flip_of_layer.emplace(key.first, step);
      if (!added) slot->second = std::min(slot->second, step);
      report.first_token = report.first_token < 0 ? step : std::min(report.first_token, step);
      break;  // the rest of this head is excused
    }
  }
  return report;
}

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

double max_difference(const std::vector<double>& a, const std::vector<double>& b,
                      std::int64_t count) {
  if (a.size() != b.size()) return std::numeric_limits<double>::infinity();
  const std::size_t n = count < 0 ? a.size() : std::min(a.size(), static_cast<std::size_t>(count));
  double worst = 0;
  for (std::size_t i = 0; i < n; ++i) worst = std::max(worst, std::abs(a[i] - b[i]));
  return worst;
}

bool is_known_policy(const std::string& golden_name) {
  return !golden_name.starts_with("l2");
}

}  // namespace lethe::test
