// SPDX-License-Identifier: Apache-2.0
// Which token comes next: greedy, or drawn from the filtered distribution.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace lethe::models {

/// Filters apply in transformers' order: temperature, top_k, top_p, min_p. The defaults are greedy.
struct Sampling {
  double temperature = 0;             ///< 0: the most likely token, and the filters do nothing
  std::optional<std::int64_t> top_k;  ///< the k most likely and what ties with the last of them
  std::optional<double> top_p;        ///< the fewest most likely with this much together, (0, 1]
  std::optional<double> min_p;        ///< at least this share of the most likely one's, [0, 1]

  bool greedy() const { return temperature == 0; }
  bool operator==(const Sampling&) const = default;
};

/// Throws Error(kConfig) naming the value that makes no sense and the range it should lie in.
void check_sampling(const Sampling& sampling);

/// Draws the tokens of one sample. Token number `index` depends on the seed, the index and the
/// logits alone: a sample is the same whatever runs beside it, and after a resume.
class Sampler {
 public:
  Sampler(const Sampling& sampling, std::uint64_t seed);

  /// `logits` [vocab]. Ties go to the lower id. Throws Error(kData) when no logit is a number,
  /// which only broken weights give.
  std::int64_t next(std::span<const float> logits, std::int64_t index);

 private:
  struct Candidate {
    double weight;  ///< exp((logit - largest) / temperature)
    std::int64_t id;
  };
  float least_logit(std::span<const float> logits);
  void filter(double total);

  Sampling sampling_;
  std::uint64_t seed_;
  std::vector<Candidate> candidates_;  ///< most likely first, as far as the filters need
  std::vector<float> sorted_;
};

}  // namespace lethe::models
