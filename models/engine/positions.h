// SPDX-License-Identifier: Apache-2.0
// New positions of cached tokens for the rotary angles.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "policies/positions.h"

namespace lethe::models {

/// Positions of cached tokens that stand at `original` (ascending) in the text, [cached].
/// kCacheRelative: 0, 1, 2, … . kCompressed, the formula of TOVA's code (branch
/// position_encoding_compression): the sum of ceil(G(gap)) of the gaps so far, the first from 0,
/// with G(g) = g for g <= 10 and 10 + ln(ln(g - 10 + e)) beyond. kCompressedPaper (arXiv
/// 2401.06104, §7.2 as written): G(g) = g for g <= 10 and ln(ln(g)) beyond, not rounded; not
/// monotone in g.
std::vector<double> assigned_positions(policies::Positions how,
                                       std::span<const std::int64_t> original);

/// G of the two formulas, before rounding.
double compressed_gap(policies::Positions how, std::int64_t gap);

}  // namespace lethe::models
