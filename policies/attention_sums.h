// SPDX-License-Identifier: Apache-2.0
// The memory of policies that add up attention: what every cached token has received so far.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "policies/policy.h"

namespace lethe::policies {

/// Per HeadCache and cached token: sum over the queries since the token was appended, its own
/// included, of the mean over the query heads of its weight. Mirrors what policies are told.
class AttentionSums {
 public:
  void observe(const CacheView& view);
  void applied(const EvictionPlan& plan);
  /// [cached], in the order of the view.
  std::span<const double> of(std::size_t head) const { return sums_[head]; }

  void save(StateWriter& out, const std::string& prefix) const;
  void load(const StateReader& in, const std::string& prefix);

 private:
  std::vector<std::vector<double>> sums_;  // [heads][cached]
  std::vector<double> row_;
};

}  // namespace lethe::policies
