// SPDX-License-Identifier: Apache-2.0
#include "tasks/metrics/retention.h"

#include <algorithm>
#include <string>

#include "harness/base/error.h"

namespace lethe::tasks {

void TokenLives::left(std::int64_t step, std::int64_t position) {
  if (position < 0 || position > step || step >= tokens() ||
      last_[static_cast<std::size_t>(position)] != kStayed) {
    throw Error(ErrorKind::kData, "token " + std::to_string(position) + " cannot leave at step " +
                                      std::to_string(step) + " of " + std::to_string(tokens()) +
                                      ": it is not there");
  }
  last_[static_cast<std::size_t>(position)] = step;
}

std::int64_t TokenLives::last_step(std::int64_t position) const {
  const std::int64_t last = last_.at(static_cast<std::size_t>(position));
  return last == kStayed ? tokens() - 1 : last;
}

double TokenLives::mean_lifetime() const {
  std::int64_t sum = 0;
  for (std::int64_t position = 0; position < tokens(); ++position) sum += lifetime(position);
  return static_cast<double>(sum) / static_cast<double>(tokens());
}

std::optional<double> TokenLives::recency_share(std::int64_t budget) const {
  // Changes of the counts of kept and of recent kept tokens, by step.
  std::vector<std::int64_t> kept(last_.size() + 1), recent(last_.size() + 1);
  std::int64_t first = tokens();
  for (std::int64_t position = 0; position < tokens(); ++position) {
    const std::int64_t last = last_[static_cast<std::size_t>(position)];
    if (last != kStayed) first = std::min(first, last);
    // Kept after the steps [position, end); dropped after `last`, it is not kept after it.
    const std::int64_t end = last == kStayed ? tokens() : last;
    if (end <= position) continue;
    const std::int64_t recent_end = std::min(end, position + budget);
    ++kept[static_cast<std::size_t>(position)];
    --kept[static_cast<std::size_t>(end)];
    ++recent[static_cast<std::size_t>(position)];
    --recent[static_cast<std::size_t>(recent_end)];
  }
  if (first == tokens()) return {};
  std::int64_t kept_now = 0, recent_now = 0;
  double sum = 0;
  for (std::int64_t step = 0; step < tokens(); ++step) {
    kept_now += kept[static_cast<std::size_t>(step)];
    recent_now += recent[static_cast<std::size_t>(step)];
    if (step >= first && kept_now > 0) {
      sum += static_cast<double>(recent_now) / static_cast<double>(kept_now);
    }
  }
  return sum / static_cast<double>(tokens() - first);
}

}  // namespace lethe::tasks
