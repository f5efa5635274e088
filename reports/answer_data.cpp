// SPDX-License-Identifier: Apache-2.0
#include "reports/answer_data.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "harness/base/error.h"
#include "reports/statistics/distributions.h"
#include "reports/statistics/multiple_testing.h"
#include "reports/statistics/power.h"

namespace lethe::reports {
namespace {

/// Samples of one task in two columns.
struct Pairs {
  std::vector<AnswerSample> a;
  std::vector<AnswerSample> b;
};

std::vector<std::string> clusters_of(std::span<const AnswerSample> samples) {
  std::vector<std::string> clusters;
  clusters.reserve(samples.size());
  for (const AnswerSample& sample : samples) clusters.push_back(sample.cluster);
  return clusters;
}

double sum_of(std::span<const AnswerSample> samples) {
  double sum = 0;
  for (const AnswerSample& sample : samples) sum += *sample.score;
  return sum;
}

/// The task's value, 1 at best, of samples that all have a score.
double aggregate_of(const AnswerTaskInfo& task, std::span<const AnswerSample> samples) {
  const auto n = static_cast<double>(samples.size());
  if (task.aggregate == ScoreAggregate::kMean) return sum_of(samples) / n;
  double product = 1;
  for (std::size_t part = 0; part < samples.front().parts.size(); ++part) {
    double sum = 0;
    for (const AnswerSample& sample : samples) sum += sample.parts[part];
    product *= sum / n;
  }
  return std::pow(product, 1.0 / static_cast<double>(samples.front().parts.size()));
}

/// One value per sample whose mean is the aggregate and whose spread is, to first order, what each
/// sample contributes to it: the score itself, or g (1 + mean over parts of (x / mean x - 1)).
std::vector<double> contributions(const AnswerTaskInfo& task,
                                  std::span<const AnswerSample> samples) {
  std::vector<double> values;
  values.reserve(samples.size());
  if (task.aggregate == ScoreAggregate::kMean) {
    for (const AnswerSample& sample : samples) values.push_back(*sample.score);
    return values;
  }
  const double whole = aggregate_of(task, samples);
  const std::size_t parts = samples.front().parts.size();
  std::vector<double> means(parts, 0.0);
  for (const AnswerSample& sample : samples) {
    for (std::size_t k = 0; k < parts; ++k) means[k] += sample.parts[k];
  }
  for (double& mean : means) mean /= static_cast<double>(samples.size());
  for (const AnswerSample& sample : samples) {
    double relative = 0;
    for (std::size_t k = 0; k < parts; ++k) {
      if (whole > 0) relative += (sample.parts[k] / means[k] - 1) / static_cast<double>(parts);
    }
    values.push_back(whole * (1 + relative));
  }
  return values;
}

std::vector<AnswerSample> scored(std::span<const AnswerSample> samples) {
  std::vector<AnswerSample> out;
  std::copy_if(samples.begin(), samples.end(), std::back_inserter(out),
               [](const AnswerSample& sample) { return sample.score.has_value(); });
  return out;
}

Points points_of(std::span<const double> values, std::span<const std::string> clusters,
                 double value) {
  const Estimate estimate = clustered_mean(values, clusters);
  Points points{.value = value,
                .standard_error = {},
                .degrees = static_cast<double>(estimate.clusters) - 1,
                .n = estimate.n,
                .clusters = estimate.clusters};
  if (estimate.standard_error) {
    // Equal differences of rounded numbers leave a spread of their last bits, which is none.
    constexpr double kRounding = 1e-12;
    const double error = *estimate.standard_error;
    points.standard_error = error < kRounding ? 0 : 100 * error;
  }
  return points;
}

Pairs pair_answers(const AnswerCell& a, const AnswerCell& b) {
  std::map<std::string_view, const AnswerSample*> by_id;
  for (const AnswerSample& sample : b.samples) by_id.emplace(sample.id, &sample);
  Pairs pairs;
  for (const AnswerSample& sample : a.samples) {
    const auto at = by_id.find(sample.id);
    if (at == by_id.end() || at->second->hash != sample.hash) continue;
    if (!sample.score || !at->second->score) continue;
    pairs.a.push_back(sample);
    pairs.b.push_back(*at->second);
  }
  return pairs;
}

}  // namespace

bool AnswerCell::usable() const {
  using store::CellStatus;
  const bool failed = status == CellStatus::kFailed || status == CellStatus::kOom ||
                      status == CellStatus::kTimeout || status == CellStatus::kCrashed ||
                      status == CellStatus::kSkipped;
  return !failed && std::any_of(samples.begin(), samples.end(), [](const AnswerSample& sample) {
    return sample.score.has_value();
  });
}

const AnswerCell* AnswerPanel::find(std::size_t task, std::size_t column) const {
  const auto at = std::find_if(cells.begin(), cells.end(), [&](const AnswerCell& cell) {
    return cell.task == task && cell.column == column;
  });
  return at == cells.end() ? nullptr : &*at;
}

const AnswerCell* AnswerPanel::usable(std::size_t task, std::size_t column) const {
  const AnswerCell* cell = find(task, column);
  return cell && cell->usable() ? cell : nullptr;
}

std::optional<std::size_t> AnswerPanel::full() const {
  return column({std::string(kFullPolicy), std::nullopt});
}

std::optional<std::size_t> AnswerPanel::column(const AnswerColumn& wanted) const {
  const auto at = std::find(columns.begin(), columns.end(), wanted);
  if (at == columns.end()) return std::nullopt;
  return static_cast<std::size_t>(at - columns.begin());
}

std::vector<std::pair<std::string, std::vector<std::size_t>>> AnswerPanel::groups() const {
  std::vector<std::pair<std::string, std::vector<std::size_t>>> out;
  for (std::size_t task = 0; task < tasks.size(); ++task) {
    if (out.empty() || out.back().first != tasks[task].group) {
      out.emplace_back(tasks[task].group, std::vector<std::size_t>{});
    }
    out.back().second.push_back(task);
  }
  return out;
}

bool AnswerPanel::has_twin(std::size_t task) const {
  return std::count_if(tasks.begin(), tasks.end(), [&](const AnswerTaskInfo& other) {
           return other.name == tasks[task].name;
         }) > 1;
}

bool AnswerPanel::has_twins() const {
  for (std::size_t task = 0; task < tasks.size(); ++task) {
    if (has_twin(task)) return true;
  }
  return false;
}

std::string AnswerPanel::title(std::size_t task) const {
  if (!has_twin(task)) return tasks[task].title;
  const auto own = std::find_if(cells.begin(), cells.end(),
                                [&](const AnswerCell& cell) { return cell.task == task; });
  return tasks[task].title + " (cells like " + own->key.substr(0, 8) + ")";
}

std::optional<Interval> Points::ends() const {
  if (!standard_error) return std::nullopt;
  constexpr double kUpper = 0.975;
  const double quantile = degrees < static_cast<double>(kManyClusters - 1)
                              ? t_quantile(kUpper, degrees)
                              : normal_quantile(kUpper);
  const double half = quantile * *standard_error;
  return Interval{value - half, value + half};
}

std::optional<double> Points::detectable() const {
  if (!standard_error || *standard_error <= 0) return std::nullopt;
  return degrees < static_cast<double>(kManyClusters - 1)
             ? detectable_effect_t(*standard_error, degrees)
             : detectable_effect_normal(*standard_error);
}

Points task_points(const AnswerTaskInfo& task, std::span<const AnswerSample> samples) {
  const std::vector<AnswerSample> counted = scored(samples);
  LETHE_ASSERT(!counted.empty(), "a task without scores has no mean");
  // LongBench multiplies the sum before it divides: the last bit may decide a rounding.
  const double value = task.aggregate == ScoreAggregate::kMean
                           ? 100 * sum_of(counted) / static_cast<double>(counted.size())
                           : 100 * aggregate_of(task, counted);
  return points_of(contributions(task, counted), clusters_of(counted), value);
}

bool outside_band(const AnswerTaskInfo& task, std::span<const AnswerSample> samples) {
  if (!task.band) return false;
  const double value = task_points(task, samples).value;
  return value < 100 * task.band->low || value > 100 * task.band->high;
}

Points mean_points(std::span<const Points> values) {
  LETHE_ASSERT(!values.empty(), "no values to average");
  const auto count = static_cast<double>(values.size());
  Points mean;
  double variance = 0;
  double fourth = 0;
  bool known = true;
  for (const Points& points : values) {
    mean.value += points.value / count;
    mean.n += points.n;
    mean.clusters += points.clusters;
    known = known && points.standard_error.has_value();
    if (!points.standard_error) continue;
    const double share = std::pow(*points.standard_error / count, 2);
    variance += share;
    fourth += share * share / points.degrees;
  }
  if (!known) return mean;
  mean.standard_error = std::sqrt(variance);
  mean.degrees =
      fourth > 0 ? variance * variance / fourth : static_cast<double>(mean.clusters) - count;
  return mean;
}

std::optional<ScoreDifference> compare_columns(const AnswerPanel& panel,
                                               std::span<const std::size_t> tasks, std::size_t a,
                                               std::size_t b) {
  ScoreDifference result{.a = a, .b = b, .tasks = {}, .delta = {}, .test = {}, .p_holm = 1};
  std::vector<Points> deltas;
  std::vector<std::vector<double>> documents;
  for (const std::size_t task : tasks) {
    const AnswerCell* own = panel.usable(task, a);
    const AnswerCell* other = panel.usable(task, b);
    const Pairs pairs = own && other ? pair_answers(*own, *other) : Pairs{};
    if (pairs.a.empty()) {
      result.partial = true;
      continue;
    }
    const AnswerTaskInfo& info = panel.tasks[task];
    std::vector<double> differences = contributions(info, pairs.a);
    const std::vector<double> others = contributions(info, pairs.b);
    for (std::size_t i = 0; i < differences.size(); ++i) differences[i] -= others[i];
    const auto clusters = clusters_of(pairs.a);
    const double value = 100 * (aggregate_of(info, pairs.a) - aggregate_of(info, pairs.b));
    deltas.push_back(points_of(differences, clusters, value));
    for (double& difference : differences) difference /= static_cast<double>(pairs.a.size());
    documents.push_back(cluster_sums(differences, clusters));
    result.tasks.push_back(task);
    result.partial |=
        static_cast<std::int64_t>(pairs.a.size()) < std::max(own->wanted, other->wanted);
  }
  if (deltas.empty()) return std::nullopt;
  result.delta = mean_points(deltas);
  // Every task has the same weight, so their documents' sums may stand in one permutation.
  std::vector<double> flips;
  for (const auto& sums : documents) flips.insert(flips.end(), sums.begin(), sums.end());
  result.test = sign_flip_test(flips);
  result.p_holm = result.test.p_two_sided;
  return result;
}

void adjust_for_multiplicity(std::vector<ScoreDifference>& rows) {
  std::vector<double> p;
  for (const ScoreDifference& row : rows) p.push_back(row.test.p_two_sided);
  const std::vector<double> adjusted = holm(p);
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i].p_holm = adjusted[i];
}

}  // namespace lethe::reports
