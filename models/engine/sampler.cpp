// SPDX-License-Identifier: Apache-2.0
#include "models/engine/sampler.h"

#include <algorithm>
#include <cmath>
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
  double total = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
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

// Leaves the candidates that may be drawn, most likely first where a filter had to sort them.
void Sampler::filter(double total) {
  if (!sampling_.top_k && !sampling_.top_p && !sampling_.min_p) return;
  std::sort(candidates_.begin(), candidates_.end(), [](const Candidate& a, const Candidate& b) {
    return a.weight != b.weight ? a.weight > b.weight : a.id < b.id;
  });
  std::size_t keep = candidates_.size();
  if (sampling_.top_k && static_cast<std::size_t>(*sampling_.top_k) < keep) {
    keep = static_cast<std::size_t>(*sampling_.top_k);
    while (keep < candidates_.size() && candidates_[keep].weight == candidates_[keep - 1].weight) {
      ++keep;
    }
    total = 0;
    for (std::size_t i = 0; i < keep; ++i) total += candidates_[i].weight;
  }
  if (sampling_.top_p) {
    double before = candidates_.front().weight;
    std::size_t i = 1;  // the most likely one always stays
    for (; i < keep && before < *sampling_.top_p * total; ++i) before += candidates_[i].weight;
    keep = i;
  }
  if (sampling_.min_p) {
    const double least = *sampling_.min_p * candidates_.front().weight;
    while (keep > 1 && candidates_[keep - 1].weight < least) --keep;
  }
  candidates_.resize(keep);
}

}  // namespace lethe::models
