// SPDX-License-Identifier: Apache-2.0
#include "reports/rmt_data.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <tuple>

#include "harness/base/names.h"
#include "harness/base/text.h"
#include "reports/numbers.h"
#include "reports/statistics/binomial.h"

namespace lethe::reports {
namespace {

constexpr std::string_view kMember = "memory=";
/// Of its values, in the order of their names in memory_of_policy().
constexpr std::array<RmtMemory, 4> kMeanings{RmtMemory::kCarried, RmtMemory::kReset,
                                             RmtMemory::kShuffled, RmtMemory::kNone};

using store::CellStatus;

bool failed(CellStatus status) {
  return status == CellStatus::kFailed || status == CellStatus::kOom ||
         status == CellStatus::kTimeout || status == CellStatus::kCrashed ||
         status == CellStatus::kSkipped;
}

std::string fact_text(const std::string& fact) {
  if (fact == "start") return "fact at the start";
  if (fact == "segment") return "fact at the start of any segment";
  if (fact == "uniform") return "fact anywhere";
  return "fact: " + fact;
}

/// Long inputs before short ones, many before few, and a fact that may be anywhere first.
std::tuple<std::int64_t, std::size_t, bool> extent_of(const RmtGroup& group) {
  const auto lengths = group.lengths();
  return {lengths.empty() ? 0 : lengths.back(), lengths.size(), group.condition.fact != "start"};
}

std::int64_t trained(const RmtGroup* group) {
  return group->model().trained_segments.value_or(0);
}

}  // namespace

std::string RmtCondition::name() const {
  std::vector<std::string> parts;
  if (!fact.empty()) parts.push_back(fact_text(fact));
  if (confusers) parts.push_back(exact_text(100 * *confusers) + " % confusers");
  if (!noise.empty()) parts.push_back("noise " + noise);
  return join(parts, ", ");
}

bool RmtModel::same_recipe(const RmtModel& other) const {
  if (recurrent != other.recurrent) return false;
  if (!recurrent) return name == other.name;
  return task == other.task && trained_segments == other.trained_segments &&
         trained_confusers == other.trained_confusers && memory == other.memory &&
         recipe == other.recipe;
}

std::optional<Accuracy> RmtCell::accuracy() const {
  std::vector<double> scores;
  std::vector<std::string> ids;
  std::size_t correct = 0;
  bool binary = true;
  for (const RmtSample& sample : samples) {
    if (!sample.score) continue;
    scores.push_back(*sample.score);
    ids.push_back(sample.id);
    correct += *sample.score == 1;
    binary = binary && (*sample.score == 0 || *sample.score == 1);
  }
  if (scores.empty() || failed(status)) return std::nullopt;
  const Estimate estimate = clustered_mean(scores, ids);
  Accuracy accuracy{.share = estimate.mean,
                    .ends = interval(estimate),
                    .n = scores.size(),
                    .correct = std::nullopt};
  if (binary) {
    accuracy.correct = correct;
    accuracy.ends = wilson_interval(correct, scores.size());
  }
  return accuracy;
}

double RmtCell::seconds_per_sample() const {
  double sum = 0;
  for (const RmtSample& sample : samples) sum += sample.seconds;
  return sum / static_cast<double>(samples.size());
}

double RmtCell::seconds_per_segment() const {
  return seconds_per_sample() / static_cast<double>(segments.value_or(0));
}

std::int64_t RmtCell::most(std::int64_t RmtSample::*bytes) const {
  std::int64_t found = 0;
  for (const RmtSample& sample : samples) found = std::max(found, sample.*bytes);
  return found;
}

std::int64_t RmtCell::classes() const {
  if (samples.empty()) return 0;
  const std::int64_t first = samples.front().classes;
  const bool same = std::all_of(samples.begin(), samples.end(),
                                [&](const RmtSample& sample) { return sample.classes == first; });
  return same ? first : 0;
}

const RmtCell* RmtLine::at(std::int64_t length) const {
  const auto found = std::find_if(cells.begin(), cells.end(),
                                  [&](const RmtCell& cell) { return cell.length == length; });
  return found == cells.end() ? nullptr : &*found;
}

std::vector<std::int64_t> RmtGroup::lengths() const {
  std::set<std::int64_t> found;
  for (const RmtLine& line : lines) {
    for (const RmtCell& cell : line.cells) found.insert(cell.length);
  }
  return {found.begin(), found.end()};
}

std::optional<std::int64_t> RmtGroup::segments(std::int64_t length) const {
  for (const RmtLine& line : lines) {
    const RmtCell* cell = line.at(length);
    if (cell && cell->segments) return cell->segments;
  }
  return std::nullopt;
}

std::vector<double> RmtGroup::shares(std::int64_t length) const {
  std::vector<double> found;
  for (const RmtLine& line : lines) {
    const RmtCell* cell = line.at(length);
    const auto accuracy = cell ? cell->accuracy() : std::nullopt;
    if (accuracy) found.push_back(accuracy->share);
  }
  return found;
}

std::optional<RmtMean> RmtGroup::mean(std::int64_t length) const {
  const std::vector<double> found = shares(length);
  if (found.empty()) return std::nullopt;
  RmtMean mean{.mean = 0,
               .least = *std::min_element(found.begin(), found.end()),
               .most = *std::max_element(found.begin(), found.end()),
               .models = found.size(),
               .seeds = 0,
               .samples = 0};
  std::set<std::int64_t> seeds;
  std::vector<std::size_t> samples;
  for (const RmtLine& line : lines) {
    const RmtCell* cell = line.at(length);
    const auto accuracy = cell ? cell->accuracy() : std::nullopt;
    if (!accuracy) continue;
    mean.mean += accuracy->share / static_cast<double>(found.size());
    samples.push_back(accuracy->n);
    if (line.model.seed) seeds.insert(*line.model.seed);
  }
  mean.seeds = seeds.size();
  mean.samples = *std::min_element(samples.begin(), samples.end());
  return mean;
}

std::optional<std::int64_t> RmtGroup::length_of(std::int64_t wanted_segments) const {
  for (const std::int64_t length : lengths()) {
    if (segments(length) == wanted_segments) return length;
  }
  return std::nullopt;
}

bool RmtGroup::harder() const {
  const auto& in_training = model().trained_confusers;
  return in_training && condition.confusers && *condition.confusers > *in_training;
}

std::string RmtGroup::recipe() const {
  const RmtModel& own = model();
  if (!own.recurrent) return own.name;
  std::vector<std::string> parts;
  if (own.trained_segments) {
    parts.push_back("trained on at most " +
                    counted(static_cast<std::size_t>(*own.trained_segments), "segment"));
  }
  if (own.trained_confusers) {
    parts.push_back(exact_text(100 * *own.trained_confusers) + " % confusers in training at most");
  }
  if (own.memory) parts.push_back(std::to_string(*own.memory) + " memory tokens");
  if (!own.recipe.empty()) parts.push_back("recipe " + own.recipe);
  return parts.empty() ? own.name : join(parts, ", ");
}

std::vector<const RmtGroup*> RmtResults::carried(std::string_view task) const {
  std::vector<const RmtGroup*> found;
  for (const RmtGroup& group : groups) {
    if (group.condition.task == task && group.memory == RmtMemory::kCarried) {
      found.push_back(&group);
    }
  }
  std::stable_sort(found.begin(), found.end(), [](const RmtGroup* a, const RmtGroup* b) {
    if (trained(a) != trained(b)) return trained(a) > trained(b);
    return extent_of(*a) > extent_of(*b);
  });
  return found;
}

std::string RmtResults::plain_recipe(std::string_view task) const {
  std::string found;
  std::size_t most = 0;
  const auto all = carried(task);
  for (const RmtGroup* group : all) {
    if (trained(group) != trained(all.front())) continue;
    if (group->lines.size() > most) {
      most = group->lines.size();
      found = group->model().recipe;
    }
  }
  return found;
}

std::vector<const RmtGroup*> RmtResults::plain(std::string_view task) const {
  std::vector<const RmtGroup*> found = carried(task);
  if (found.empty()) return found;
  const std::int64_t most = trained(found.front());
  const std::string recipe = plain_recipe(task);
  std::erase_if(found, [&](const RmtGroup* group) {
    return group->model().recipe != recipe || trained(group) != most;
  });
  std::stable_partition(found.begin(), found.end(),
                        [](const RmtGroup* group) { return !group->harder(); });
  return found;
}

std::vector<std::string> RmtResults::tasks() const {
  std::vector<std::string> found;
  for (const RmtGroup& group : groups) {
    if (group.memory != RmtMemory::kCarried) continue;
    const std::string& task = group.condition.task;
    if (std::find(found.begin(), found.end(), task) == found.end()) found.push_back(task);
  }
  return found;
}

RmtMemory memory_of_policy(const std::string& policy) {
  const auto colon = policy.find(':');
  if (policy.substr(0, colon) != "rmt") return RmtMemory::kEviction;
  if (colon == std::string::npos) return RmtMemory::kCarried;
  for (const std::string& option : split(policy.substr(colon + 1), ',')) {
    if (!option.starts_with(kMember)) continue;
    static const std::vector<std::string> known{"carried", "reset", "shuffled", "none"};
    const std::string value = option.substr(kMember.size());
    const auto at = std::find(known.begin(), known.end(), value);
    if (at == known.end()) {
      throw unknown_name(ErrorKind::kStore, "policy " + policy + ": memory", value, known);
    }
    return kMeanings[static_cast<std::size_t>(at - known.begin())];
  }
  return RmtMemory::kCarried;
}

std::string to_string(RmtMemory memory) {
  switch (memory) {
    case RmtMemory::kCarried:
      return "memory carried";
    case RmtMemory::kReset:
      return "memory reset";
    case RmtMemory::kShuffled:
      return "memory of another sample";
    case RmtMemory::kNone:
      return "no memory tokens";
    case RmtMemory::kEviction:
      break;
  }
  return "eviction";
}

std::optional<double> expected_without_memory(const RmtCondition& condition, std::int64_t segments,
                                              std::int64_t classes) {
  const bool one_fact = condition.task == "memorise" || condition.task == "detect";
  if (!one_fact || segments < 2 || classes < 2) return std::nullopt;
  const double chance = 1.0 / static_cast<double>(classes);
  if (condition.fact == "start") return chance;
  if (condition.fact != "segment" && condition.fact != "uniform") return std::nullopt;
  const double last = 1.0 / static_cast<double>(segments);
  return last + (1 - last) * chance;
}

}  // namespace lethe::reports
