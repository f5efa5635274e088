// SPDX-License-Identifier: Apache-2.0
#include "reports/statistics/power.h"

#include <boost/math/distributions/non_central_t.hpp>
#include <boost/math/tools/toms748_solve.hpp>

#include "reports/statistics/distributions.h"

namespace lethe::reports {

double detectable_effect_normal(double standard_error, double alpha, double power) {
  return (normal_quantile(1 - alpha / 2) + normal_quantile(power)) * standard_error;
}

double detectable_effect_t(double standard_error, double degrees, double alpha, double power) {
  namespace bm = boost::math;
  const double critical = t_quantile(1 - alpha / 2, degrees);
  const auto excess = [&](double noncentrality) {
    const bm::non_central_t_distribution<double> shifted(degrees, noncentrality);
    return bm::cdf(bm::complement(shifted, critical)) + bm::cdf(shifted, -critical) - power;
  };
  double high = critical + 1;
  while (excess(high) < 0) high *= 2;
  std::uintmax_t iterations = 200;
  const auto [low_end, high_end] =
      bm::tools::toms748_solve(excess, 0.0, high, bm::tools::eps_tolerance<double>(48), iterations);
  return (low_end + high_end) / 2 * standard_error;
}

}  // namespace lethe::reports
