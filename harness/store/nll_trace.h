// SPDX-License-Identifier: Apache-2.0
// The blob in which a sample's per-token NLL is kept.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::store {

/// Layout: 4 bytes "LNT1", the count as little-endian uint32, then a zlib stream of `count`
/// little-endian IEEE-754 float32 values (nats, in token order). Bits survive exactly.
/// Throws Error(kInternal) for more than 2^28 values.
std::string encode_nll_trace(std::span<const float> trace);

/// Throws Error(kStore) when the blob is damaged.
std::vector<float> decode_nll_trace(std::string_view blob);

}  // namespace lethe::store
