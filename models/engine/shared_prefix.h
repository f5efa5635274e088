// SPDX-License-Identifier: Apache-2.0
// The inside of PrefixCache, for the scan.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "models/engine/evaluate.h"
#include "models/engine/prefix_cache.h"
#include "models/transformer/decoder.h"

namespace lethe::models {

/// The first tokens of a text as the full model sees them.
struct SharedPrefix {
  const Decoder* decoder = nullptr;
  RopeAngles angles = RopeAngles::kHf32;
  std::vector<std::int64_t> tokens;
  std::vector<at::Tensor> qkv;  ///< per layer [tokens, qkv row], rotated
  std::int64_t score_from = 0;
  std::vector<double> nll;  ///< of the token after each, from score_from on
};

/// Rotated projections of the first layer for some tokens of a text.
struct FirstLayer {
  const Decoder* decoder = nullptr;
  RopeAngles angles = RopeAngles::kHf32;
  std::int64_t first = 0;
  std::vector<std::int64_t> tokens;
  at::Tensor qkv;
};

struct PrefixCache::State {
  std::int64_t most_bytes = 0;
  std::int64_t bytes = 0;
  std::int64_t tokens_shared = 0;
  std::vector<SharedPrefix> prefixes;
  std::vector<FirstLayer> first_layers;

  /// The longest prefix held of this text, or nullptr.
  const SharedPrefix* find(const Decoder& decoder, RopeAngles angles, std::int64_t score_from,
                           std::span<const std::int64_t> text) const;
  /// Whether a prefix of `tokens` tokens would fit and be longer than what is held of this text.
  bool wants(const Decoder& decoder, RopeAngles angles, std::int64_t score_from,
             std::span<const std::int64_t> text, std::int64_t tokens) const;
  void add(SharedPrefix prefix);
  /// The first layer's projections of `tokens`, which begin at position `first`: those held, or
  /// what `make` gives, held from now on where there is room.
  at::Tensor first_layer(const Decoder& decoder, RopeAngles angles, std::int64_t first,
                         std::span<const std::int64_t> tokens,
                         const std::function<at::Tensor()>& make);
};

}  // namespace lethe::models
