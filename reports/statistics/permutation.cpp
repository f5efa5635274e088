// SPDX-License-Identifier: Apache-2.0
#include "reports/statistics/permutation.h"

#include <array>
#include <bit>
#include <cmath>
#include <numeric>
#include <vector>

#include "harness/base/seed.h"

namespace lethe::reports {
namespace {

/// Sums of all 2^n sign patterns. Summed afresh per pattern: a running sum would drift and break
/// ties.
std::vector<double> all_signed_sums(std::span<const double> values) {
  std::vector<double> sums{0.0};
  for (const double value : values) {
    const std::size_t size = sums.size();
    sums.reserve(2 * size);
    for (std::size_t i = 0; i < size; ++i) sums.push_back(sums[i] - value);
    for (std::size_t i = 0; i < size; ++i) sums[i] += value;
  }
  return sums;
}

class Tally {
 public:
  explicit Tally(std::span<const double> differences)
      : observed_(std::accumulate(differences.begin(), differences.end(), 0.0)) {
    double scale = 0;
    for (const double d : differences) scale += std::abs(d);
    tolerance_ = 1e-12 * scale;
  }

  void add(double sum) {
    ++patterns_;
    two_sided_ += std::abs(sum) >= std::abs(observed_) - tolerance_;
    greater_ += sum >= observed_ - tolerance_;
    less_ += sum <= observed_ + tolerance_;
  }

  SignFlipResult result(bool exact) const {
    const auto share = [&](std::uint64_t count) {
      return static_cast<double>(count) / static_cast<double>(patterns_);
    };
    return {share(two_sided_), share(greater_), share(less_), two_sided_, patterns_, exact};
  }

  double observed() const { return observed_; }

 private:
  double observed_;
  double tolerance_ = 0;
  std::uint64_t patterns_ = 0;
  std::uint64_t two_sided_ = 0;
  std::uint64_t greater_ = 0;
  std::uint64_t less_ = 0;
};

}  // namespace

SignFlipResult sign_flip_test(std::span<const double> differences, std::uint64_t seed) {
  Tally tally(differences);
  if (differences.size() <= kMaxExactFlips) {
    for (const double sum : all_signed_sums(differences)) tally.add(sum);
    return tally.result(true);
  }
  tally.add(tally.observed());
  RandomStream random(derive_seed(seed, "sign-flip"));
  // Several patterns side by side: each keeps its own order of draws and of additions, so that a
  // sum has the same bits as alone, and none waits for the one before.
  constexpr std::uint64_t kSideBySide = 16;
  static_assert(kMonteCarloFlips % kSideBySide == 0);
  const std::size_t words = (differences.size() + 63) / 64;
  std::vector<std::uint64_t> draws(words * kSideBySide);
  for (std::uint64_t i = 0; i < kMonteCarloFlips; i += kSideBySide) {
    for (std::uint64_t k = 0; k < kSideBySide; ++k) {
      for (std::size_t word = 0; word < words; ++word) {
        draws[word * kSideBySide + k] = random.next();
      }
    }
    std::array<double, kSideBySide> sums{};
    for (std::size_t j = 0; j < differences.size(); ++j) {
      const std::uint64_t* bits = &draws[j / 64 * kSideBySide];
      const auto negative = std::bit_cast<std::uint64_t>(-differences[j]);
      for (std::uint64_t k = 0; k < kSideBySide; ++k) {
        // A set bit keeps the sign; no branch, since nothing could predict it.
        sums[k] += std::bit_cast<double>(negative ^ (bits[k] >> (j % 64)) << 63);
      }
    }
    for (const double sum : sums) tally.add(sum);
  }
  return tally.result(false);
}

}  // namespace lethe::reports
