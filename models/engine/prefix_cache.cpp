// SPDX-License-Identifier: Apache-2.0
#include "models/engine/prefix_cache.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "models/engine/shared_prefix.h"

namespace lethe::models {

PrefixCache::PrefixCache(std::int64_t most_bytes) : state_(std::make_unique<State>()) {
  state_->most_bytes = most_bytes;
}

PrefixCache::~PrefixCache() = default;

void PrefixCache::clear() {
  state_->prefixes.clear();
  state_->first_layers.clear();
  state_->bytes = 0;
}

std::int64_t PrefixCache::tokens_shared() const {
  return state_->tokens_shared;
}

const SharedPrefix* PrefixCache::State::find(const Decoder& decoder, RopeAngles angles,
                                             std::int64_t score_from,
                                             std::span<const std::int64_t> text) const {
  const SharedPrefix* longest = nullptr;
  for (const SharedPrefix& prefix : prefixes) {
    if (prefix.decoder != &decoder || prefix.angles != angles || prefix.score_from != score_from ||
        prefix.tokens.size() > text.size())
      continue;
    if (longest && longest->tokens.size() >= prefix.tokens.size()) continue;
    if (std::equal(prefix.tokens.begin(), prefix.tokens.end(), text.begin())) longest = &prefix;
  }
  return longest;
}

bool PrefixCache::State::wants(const Decoder& decoder, RopeAngles angles, std::int64_t score_from,
                               std::span<const std::int64_t> text, std::int64_t tokens) const {
  const SharedPrefix* held = find(decoder, angles, score_from, text);
  if (held && static_cast<std::int64_t>(held->tokens.size()) >= tokens) return false;
  const std::int64_t size = tokens * decoder.qkv_shape().row() * decoder.config().n_layers *
                            static_cast<std::int64_t>(at::elementSize(decoder.precision().compute));
  return bytes + size <= most_bytes;
}

void PrefixCache::State::add(SharedPrefix prefix) {
  for (const at::Tensor& qkv : prefix.qkv) bytes += static_cast<std::int64_t>(qkv.nbytes());
  prefixes.push_back(std::move(prefix));
}

at::Tensor PrefixCache::State::first_layer(const Decoder& decoder, RopeAngles angles,
                                           std::int64_t first, std::span<const std::int64_t> tokens,
                                           const std::function<at::Tensor()>& make) {
  for (const FirstLayer& held : first_layers) {
    if (held.decoder == &decoder && held.angles == angles && held.first == first &&
        std::equal(held.tokens.begin(), held.tokens.end(), tokens.begin(), tokens.end())) {
      return held.qkv;
    }
  }
  const at::Tensor qkv = make();
  const auto size = static_cast<std::int64_t>(qkv.nbytes());
  if (bytes + size <= most_bytes) {
    first_layers.push_back({&decoder, angles, first, {tokens.begin(), tokens.end()}, qkv});
    bytes += size;
  }
  return qkv;
}

}  // namespace lethe::models
