// SPDX-License-Identifier: Apache-2.0
#include "models/engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <string>

#include "harness/base/error.h"
#include "harness/base/seed.h"

namespace lethe::models {
namespace {

void expect(bool holds, std::string_view what, std::string_view range, double found) {
  if (holds) return;
  throw Error(ErrorKind::kConfig, std::string(what) + ": expected " + std::string(range) +
                                      ", found " + std::to_string(found));
}

// The first of the largest; NaN is larger than nothing.
std::size_t largest(std::span<const float> logits) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < logits.size(); ++i) {
    if (logits[i] > logits[best] || std::isnan(logits[best])) best = i;
  }
  if (logits.empty() || !std::isfinite(logits[best])) {
    throw Error(ErrorKind::kData,
                "the model gives no finite logit to choose a token by; its weights or activations "
                "overflow: try dtype float32");
  }
  return best;
}

}  // namespace

void check_sampling(const Sampling& sampling) {
  expect(std::isfinite(sampling.temperature) && sampling.temperature >= 0, "temperature",
         "0 (greedy) or a positive number", sampling.temperature);
  if (sampling.top_k) {
    expect(*sampling.top_k >= 1, "top_k", "at least 1", static_cast<double>(*sampling.top_k));
  }
  if (sampling.top_p) {
    expect(*sampling.top_p > 0 && *sampling.top_p <= 1, "top_p", "above 0, at most 1",
           *sampling.top_p);
  }
  if (sampling.min_p) {
    expect(*sampling.min_p >= 0 && *sampling.min_p <= 1, "min_p", "from 0 to 1", *sampling.min_p);
  }
}

Sampler::Sampler(const Sampling& sampling, std::uint64_t seed) : sampling_(sampling), seed_(seed) {
  check_sampling(sampling);
}

std::int64_t Sampler::next(std::span<const float> logits, std::int64_t index) {
  const std::size_t best = largest(logits);
  if (sampling_.greedy()) return static_cast<std::int64_t>(best);

  candidates_.clear();
  const float least = least_logit(logits);
  double total = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (!(logits[i] >= least)) continue;
    const double weight =
        std::exp((static_cast<double>(logits[i]) - static_cast<double>(logits[best])) /
                 sampling_.temperature);
    if (!(weight > 0)) continue;  // masked, or too unlikely to be counted
    candidates_.push_back({weight, static_cast<std::int64_t>(i)});
    total += weight;
  }
  filter(total);

  total = 0;
  for (const Candidate& candidate : candidates_) total += candidate.weight;
  RandomStream random(derive_seed(seed_, "token " + std::to_string(index)));
  double rest = random.uniform() * total;
  for (const Candidate& candidate : candidates_) {
    rest -= candidate.weight;
    if (rest < 0) return candidate.id;
  }
  return candidates_.back().id;  // rounding
}

// What a token must have to be among the top_k, ties with the last of them included.
float Sampler::least_logit(std::span<const float> logits) {
  constexpr float kAny = -std::numeric_limits<float>::infinity();
  if (!sampling_.top_k || static_cast<std::size_t>(*sampling_.top_k) >= logits.size()) return kAny;
  sorted_.clear();
  for (const float logit : logits) {
    if (!std::isnan(logit)) sorted_.push_back(logit);
  }
  const auto k = static_cast<std::ptrdiff_t>(*sampling_.top_k) - 1;
  if (k >= static_cast<std::ptrdiff_t>(sorted_.size())) return kAny;
  std::nth_element(sorted_.begin(), sorted_.begin() + k, sorted_.end(), std::greater<>());
  return sorted_[static_cast<std::size_t>(k)];
}

// Leaves the candidates that may be drawn, most likely first where top_p or min_p says who.
void Sampler::filter(double total) {
  if (!sampling_.top_p && !sampling_.min_p) return;
  const auto likelier = [](const Candidate& a, const Candidate& b) {
    return a.weight != b.weight ? a.weight > b.weight : a.id < b.id;
  };
  // The few that stay are usually far fewer than the vocabulary: only so many are sorted as it
  // takes to know them.
  std::size_t sorted = 0;
  const auto at = [&](std::size_t i) -> const Candidate& {
    if (i >= sorted) {
      const std::size_t until = std::min(std::max<std::size_t>(64, 4 * sorted), candidates_.size());
      const auto begin = candidates_.begin() + static_cast<std::ptrdiff_t>(sorted);
      const auto end = candidates_.begin() + static_cast<std::ptrdiff_t>(until);
      if (until < candidates_.size()) std::nth_element(begin, end, candidates_.end(), likelier);
      std::sort(begin, end, likelier);
      sorted = until;
    }
    return candidates_[i];
  };
  std::size_t keep = candidates_.size();
  if (sampling_.top_p) {
    double before = at(0).weight;
    std::size_t i = 1;  // the most likely one always stays
    for (; i < keep && before < *sampling_.top_p * total; ++i) before += at(i).weight;
    keep = i;
  }
  if (sampling_.min_p) {
    const double least = *sampling_.min_p * at(0).weight;
    std::size_t i = 1;
    while (i < keep && at(i).weight >= least) ++i;
    keep = i;
  }
  candidates_.resize(keep);
}

}  // namespace lethe::models
