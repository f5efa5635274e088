// SPDX-License-Identifier: Apache-2.0
// namm written down naively, in float64: whole columns of attention, a transform by its definition,
// explicit attention between all tokens. What the policy is compared with.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "policies/namm/namm.h"
#include "tests/policies/simulated_layer.h"

namespace lethe::policies {

using Bins = std::array<double, kNammBins>;

/// Weights drawn evenly from -0.2 … 0.2, frequencies divided by `deviation`.
NammParameters random_namm(std::uint64_t seed, std::int64_t update_interval, float deviation,
                           NammVariant variant = NammVariant::kBam, std::int64_t hidden = 32);
/// A file that holds random_namm(seed, 16, 0.1), for the length of the program.
std::string random_namm_file(std::uint64_t seed);

/// omega after the frames of `column`: the attention that one token received in 16 rows more than a
/// multiple of 16 (the first 16 are left context), averaged with `before`.
Bins naive_omega(const std::vector<double>& column, const Bins& before);

/// [tokens][25].
std::vector<std::vector<double>> naive_features(const NammParameters& parameters,
                                                const std::vector<std::int64_t>& positions,
                                                const std::vector<Bins>& omega);
std::vector<double> naive_scores(const NammParameters& parameters,
                                 const std::vector<std::vector<double>>& x);

/// One KV head at one update.
struct NaiveUpdate {
  std::int64_t step = 0;
  int head = 0;
  std::vector<std::int64_t> positions;
  std::vector<Bins> omega;
  std::vector<double> scores;
  std::vector<std::int64_t> victims;
  /// Distance of the scores from deciding otherwise.
  double margin = 0;
};
/// Updates in order of step, then head. `cap`: most that a head keeps.
std::vector<NaiveUpdate> walk_namm_naively(const NammParameters& parameters,
                                           const SimulatedLayer& layer,
                                           std::optional<std::size_t> cap = {});

}  // namespace lethe::policies
