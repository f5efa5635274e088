// SPDX-License-Identifier: Apache-2.0
// How many tokens a sample's caches held, from what was stored of its layers.
#pragma once

#include <optional>
#include <string_view>

namespace lethe::store {

/// Tokens in the caches of a sample, mean over layers (and KV heads).
struct CacheSize {
  double mean = 0;  ///< over the tokens of the text: those attended to, the new one included
  double peak = 0;  ///< at the most
};

/// Of SampleRecord::layers; nothing where it names no layer, or one without these numbers (as
/// older engines stored them). Throws Error(kStore) that begins with `where` for a wrong type.
std::optional<CacheSize> cache_size(std::string_view layers, std::string_view where);

}  // namespace lethe::store
