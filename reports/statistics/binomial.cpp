// SPDX-License-Identifier: Apache-2.0
#include "reports/statistics/binomial.h"

#include <algorithm>
#include <cmath>

#include <boost/math/distributions/binomial.hpp>

#include "harness/base/error.h"
#include "reports/statistics/distributions.h"

namespace lethe::reports {
namespace {

constexpr double kTied = 1 + 1e-7;  // of probabilities

}  // namespace

Interval wilson_interval(std::size_t correct, std::size_t n, double level) {
  LETHE_ASSERT(n > 0 && correct <= n, "an interval needs answers, at most all of them right");
  const auto count = static_cast<double>(n);
  const double share = static_cast<double>(correct) / count;
  const double z = normal_quantile(0.5 + level / 2);
  const double shrink = 1 + z * z / count;
  const double middle = (share + z * z / (2 * count)) / shrink;
  const double half =
      z / shrink * std::sqrt(share * (1 - share) / count + z * z / (4 * count * count));
  // At the ends the two terms are equal but for their last bits.
  return {correct == 0 ? 0 : std::max(0.0, middle - half),
          correct == n ? 1 : std::min(1.0, middle + half)};
}

double binomial_p(std::size_t correct, std::size_t n, double p) {
  LETHE_ASSERT(n > 0 && correct <= n, "a test needs answers, at most all of them right");
  const boost::math::binomial_distribution<double> distribution(static_cast<double>(n), p);
  const double observed = boost::math::pdf(distribution, static_cast<double>(correct));
  double sum = 0;
  for (std::size_t k = 0; k <= n; ++k) {
    const double one = boost::math::pdf(distribution, static_cast<double>(k));
    if (one <= observed * kTied) sum += one;
  }
  return std::min(1.0, sum);
}

}  // namespace lethe::reports
