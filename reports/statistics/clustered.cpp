// SPDX-License-Identifier: Apache-2.0
#include "reports/statistics/clustered.h"

#include <cmath>
#include <map>
#include <numeric>

#include "harness/base/error.h"
#include "reports/statistics/distributions.h"

namespace lethe::reports {

std::vector<double> cluster_sums(std::span<const double> values,
                                 std::span<const std::string> clusters) {
  LETHE_ASSERT(values.size() == clusters.size(), "one cluster per value");
  std::map<std::string_view, std::size_t> index;
  std::vector<double> sums;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto [at, added] = index.emplace(clusters[i], sums.size());
    if (added) sums.push_back(0);
    sums[at->second] += values[i];
  }
  return sums;
}

Estimate clustered_mean(std::span<const double> values, std::span<const double> weights,
                        std::span<const std::string> clusters) {
  LETHE_ASSERT(!values.empty() && values.size() == weights.size(), "one weight per value");
  double total = 0;
  double weighted = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    total += weights[i];
    weighted += weights[i] * values[i];
  }
  LETHE_ASSERT(total > 0, "weights must be positive");
  Estimate result;
  result.mean = weighted / total;
  result.n = values.size();
  std::vector<double> residuals(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    residuals[i] = weights[i] * (values[i] - result.mean);
  }
  const std::vector<double> sums = cluster_sums(residuals, clusters);
  result.clusters = sums.size();
  if (result.clusters < 2) return result;
  const double groups = static_cast<double>(result.clusters);
  const double squares = std::inner_product(sums.begin(), sums.end(), sums.begin(), 0.0);
  result.standard_error = std::sqrt(groups / (groups - 1)) * std::sqrt(squares) / total;
  return result;
}

Estimate clustered_mean(std::span<const double> values, std::span<const std::string> clusters) {
  const std::vector<double> ones(values.size(), 1.0);
  return clustered_mean(values, ones, clusters);
}

std::optional<Interval> interval(const Estimate& estimate, double level) {
  if (!estimate.standard_error) return std::nullopt;
  const double p = 0.5 + level / 2;
  const double quantile = estimate.clusters < kManyClusters
                              ? t_quantile(p, static_cast<double>(estimate.clusters - 1))
                              : normal_quantile(p);
  const double half = quantile * *estimate.standard_error;
  return Interval{estimate.mean - half, estimate.mean + half};
}

}  // namespace lethe::reports
