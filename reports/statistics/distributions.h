// SPDX-License-Identifier: Apache-2.0
// Quantiles of the distributions that intervals and power calculations need.
#pragma once

namespace lethe::reports {

/// Quantile of the standard normal distribution, 0 < p < 1.
double normal_quantile(double p);

/// Quantile of Student's t with `degrees` > 0 degrees of freedom, 0 < p < 1.
double t_quantile(double p, double degrees);

}  // namespace lethe::reports
