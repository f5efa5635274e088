// SPDX-License-Identifier: Apache-2.0
// The sign-flip permutation test of paired differences.
#pragma once

#include <cstdint>
#include <span>

namespace lethe::reports {

/// Up to this many differences all 2^n sign patterns are enumerated.
inline constexpr std::size_t kMaxExactFlips = 20;
inline constexpr std::uint64_t kMonteCarloFlips = 100'000;

/// Shares of sign patterns whose sum is at least as extreme as the observed one.
struct SignFlipResult {
  double p_two_sided = 1;  ///< |sum| >= |observed|
  double p_greater = 1;    ///< sum >= observed
  double p_less = 1;       ///< sum <= observed
  std::uint64_t two_sided_count = 0;
  std::uint64_t patterns = 0;
  bool exact = true;
};

/// Exact for up to kMaxExactFlips differences, else kMonteCarloFlips random patterns drawn from
/// `seed`, the observed pattern counted among them so that p is never 0. Sums within a relative
/// 1e-12 of the observed one count as tied. Empty input gives p = 1.
SignFlipResult sign_flip_test(std::span<const double> differences, std::uint64_t seed = 0);

}  // namespace lethe::reports
