// SPDX-License-Identifier: Apache-2.0
// Evolution strategies with cumulative step-size control, asked for members and told how good they
// are (N. Hansen, "The CMA Evolution Strategy: A Tutorial", arXiv 1604.00772). They maximise. No
// tensor type crosses this header.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "harness/base/seed.h"
#include "harness/base/state_file.h"
#include "training/evolution_options.h"

namespace lethe::training {

class SearchShape;

/// One search. Members are drawn from the seed's own stream: equal seeds, options and fitnesses
/// give equal members, to the bit on one machine and number of threads. Not thread-safe.
class EvolutionStrategy {
 public:
  /// Starts at `mean` (n numbers), sigma of the options and the identity as covariance. Throws
  /// Error(kConfig) as evolution_rates() does, and for a mean that is empty or not finite.
  EvolutionStrategy(const EvolutionOptions& options, std::vector<double> mean, std::uint64_t seed);
  ~EvolutionStrategy();

  /// The members of this generation: lambda vectors of n numbers. Throws Error(kInternal) when the
  /// last ones have not been told of yet, Error(kModel) when the covariance is no longer positive
  /// definite.
  std::vector<std::vector<double>> ask();

  /// How good each member of the last ask() is, in its order: higher is better, and of equal ones
  /// the first counts as better. Throws Error(kInternal) for another number of them or without an
  /// ask(), Error(kModel) that names generation and member for one that is not finite; the members
  /// then still wait to be told of.
  void tell(std::span<const double> fitnesses);

  const std::vector<double>& mean() const { return mean_; }
  double sigma() const { return sigma_; }
  /// Generations told of.
  std::int64_t generation() const { return generation_; }
  std::int64_t dimension() const { return static_cast<std::int64_t>(mean_.size()); }
  std::int64_t population() const { return options_.population; }
  const EvolutionRates& rates() const { return rates_; }

  /// Puts everything the search goes on from under names that begin with "evolution.". Of cma_full
  /// these are 12 n² bytes. Throws Error(kInternal) between ask() and tell().
  void save(StateWriter& state) const;
  /// Takes the place of this search's state: what follows has the same bits as in the search that
  /// was saved. Throws Error(kData) for one of another kind or size.
  void load(const StateReader& state);

 private:
  EvolutionOptions options_;
  EvolutionRates rates_;
  std::unique_ptr<SearchShape> shape_;
  RandomStream random_;
  std::vector<double> mean_, path_;  ///< n: m and p_sigma
  double sigma_;
  std::int64_t generation_ = 0;
  std::vector<double> normals_, steps_;  ///< lambda × n, z and y; empty unless asked
};

}  // namespace lethe::training
