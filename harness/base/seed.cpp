// SPDX-License-Identifier: Apache-2.0
#include "harness/base/seed.h"

#include <string>

#include "harness/base/hash.h"

namespace lethe {

std::uint64_t derive_seed(std::uint64_t root, std::string_view name) {
  const std::string hex = sha256_hex(std::to_string(root) + "/" + std::string(name));
  return std::stoull(hex.substr(0, 16), nullptr, 16);
}

std::uint64_t RandomStream::next() {
  state_ += 0x9e3779b97f4a7c15ULL;
  std::uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

std::uint64_t RandomStream::below(std::uint64_t bound) {
  const std::uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
  std::uint64_t value = next();
  while (value >= limit) value = next();
  return value % bound;
}

double RandomStream::uniform() {
  return static_cast<double>(next() >> 11) * 0x1.0p-53;
}

}  // namespace lethe
