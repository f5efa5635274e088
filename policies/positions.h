// SPDX-License-Identifier: Apache-2.0
// Where cached tokens stand for the rotary angles: the positions axis of a cell.
#pragma once

#include <string>
#include <string_view>

#include "policies/registry.h"

namespace lethe::policies {

/// kOriginal: where a token stood in the text, for good. The others keep keys unrotated and give
/// them new positions at every step (step path): kCacheRelative: the index in the cache
/// (StreamingLLM, arXiv 2309.17453, §3.2); kCompressed and kCompressedPaper: gaps between kept
/// tokens shrink, by the formula of TOVA's code or of its paper (arXiv 2401.06104, §7.2;
/// models/engine/positions.h).
enum class Positions { kOriginal, kCacheRelative, kCompressed, kCompressedPaper };

/// "original", "cache-relative", "compressed", "compressed-paper". Throws Error(kConfig) with a
/// suggestion.
Positions parse_positions(std::string_view text);
std::string to_string(Positions positions);

/// Throws Error(kConfig) when the policy cannot be evaluated with them.
void check_positions(const PolicyPlan& policy, Positions positions);

}  // namespace lethe::policies
