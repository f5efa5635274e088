// SPDX-License-Identifier: Apache-2.0
// Shares of right answers: their intervals, and whether one is what chance would give.
#pragma once

#include <cstddef>

#include "reports/statistics/clustered.h"

namespace lethe::reports {

/// Wilson's score interval (E. B. Wilson, JASA 22, 1927) of `correct` of `n` independent answers:
/// unlike the normal one it stays in [0, 1] and keeps a width at 0 and n of n. Throws
/// Error(kInternal) when n is 0 or smaller than `correct`.
Interval wilson_interval(std::size_t correct, std::size_t n, double level = 0.95);

/// Exact two-sided p-value of `correct` of `n` where each is right with probability `p`, 0 <= p <=
/// 1: the sum over all counts that are no likelier than the observed one (within a relative 1e-7,
/// as R's binom.test counts ties). Throws as above.
double binomial_p(std::size_t correct, std::size_t n, double p);

}  // namespace lethe::reports
