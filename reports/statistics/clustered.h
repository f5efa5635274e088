// SPDX-License-Identifier: Apache-2.0
// Means of dependent observations: standard errors clustered by book or document.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace lethe::reports {

/// From this many clusters on, intervals use the normal distribution; below, t with G - 1 degrees.
inline constexpr std::size_t kManyClusters = 30;

/// A mean and how far it can be trusted.
struct Estimate {
  double mean = 0;
  std::optional<double> standard_error;  ///< none with fewer than two clusters
  std::size_t n = 0;                     ///< observations
  std::size_t clusters = 0;
};

struct Interval {
  double low = 0;
  double high = 0;
};

/// Weighted mean sum(w v) / sum(w) with the cluster-robust standard error
/// sqrt(G / (G - 1)) * sqrt(sum over clusters of (sum of w (v - mean))^2) / sum(w):
/// the linearised variance of a ratio, and with equal weights the usual clustered error.
/// The spans have one element per observation; weights are positive. Throws Error(kInternal) on
/// empty or uneven input.
Estimate clustered_mean(std::span<const double> values, std::span<const double> weights,
                        std::span<const std::string> clusters);

/// As above with equal weights.
Estimate clustered_mean(std::span<const double> values, std::span<const std::string> clusters);

/// Two-sided interval of an estimate (t with G - 1 degrees of freedom below kManyClusters, normal
/// from there on); none where there is no standard error.
std::optional<Interval> interval(const Estimate& estimate, double level = 0.95);

/// Sum of `values` in each cluster, clusters in order of first appearance.
std::vector<double> cluster_sums(std::span<const double> values,
                                 std::span<const std::string> clusters);

}  // namespace lethe::reports
