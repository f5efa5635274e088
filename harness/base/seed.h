// SPDX-License-Identifier: Apache-2.0
// Seeds: every random stream of a run is derived from the cell's seed and a name.
#pragma once

#include <cstdint>
#include <string_view>

namespace lethe {

/// 64-bit seed of the stream `name` under `root`: equal inputs give equal seeds on every machine.
std::uint64_t derive_seed(std::uint64_t root, std::string_view name);

/// SplitMix64: small, fast, identical everywhere (std distributions are not). Not for cryptography.
class RandomStream {
 public:
  explicit RandomStream(std::uint64_t seed) : state_(seed) {}
  /// Where the stream is: a RandomStream of this seed goes on from here.
  std::uint64_t position() const { return state_; }
  std::uint64_t next();
  /// Uniform in [0, bound), without modulo bias. bound > 0.
  std::uint64_t below(std::uint64_t bound);
  /// Uniform in [0, 1) with 53 bits.
  double uniform();

 private:
  std::uint64_t state_;
};

}  // namespace lethe
