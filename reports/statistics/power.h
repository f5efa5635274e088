// SPDX-License-Identifier: Apache-2.0
// What a sample could have shown: minimum detectable effects of two-sided paired tests.
#pragma once

namespace lethe::reports {

/// (z[1 - alpha/2] + z[power]) * standard_error.
double detectable_effect_normal(double standard_error, double alpha = 0.05, double power = 0.8);

/// Effect at which the two-sided t test with `degrees` degrees of freedom has the wanted power:
/// solves the non-central t equation (the chance of rejecting on the wrong side included).
double detectable_effect_t(double standard_error, double degrees, double alpha = 0.05,
                           double power = 0.8);

}  // namespace lethe::reports
