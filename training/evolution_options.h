// SPDX-License-Identifier: Apache-2.0
// What an evolution strategy is set by, and the rates that follow.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "harness/base/error.h"

namespace lethe::training {

/// How the search distribution is shaped. All three control their step size alike.
enum class EvolutionKind {
  kCmaFull,  ///< "cma_full": a covariance matrix (N. Hansen, arXiv 1604.00772)
  kCmaDiag,  ///< "cma_diag": its diagonal (R. Ros, N. Hansen, PPSN 2008)
  kEsCsa     ///< "es_csa": the identity
};

std::string to_string(EvolutionKind kind);
std::vector<std::string> evolution_kind_names();
/// Throws Error(kind) that suggests a name.
EvolutionKind parse_evolution_kind(const std::string& name, ErrorKind kind);

/// Defaults are NAMM's (arXiv 2410.13166), except for the kind.
struct EvolutionOptions {
  EvolutionKind kind = EvolutionKind::kCmaDiag;
  std::int64_t population = 32;  ///< lambda; at least 4
  /// Share of the population whose weights are positive: mu = floor(lambda · elite_ratio). At 0.5
  /// of an even population these are the weights of arXiv 1604.00772.
  double elite_ratio = 0.5;
  double sigma = 0.065;  ///< of generation 0
  double mean_rate = 1;  ///< c_m
};

/// Weights and rates; names as in arXiv 1604.00772, table 1.
struct EvolutionRates {
  std::int64_t mu = 0;
  /// Of ranks 1 … lambda: log(mu + 1/2) - log(rank), the positive ones scaled to the sum 1, the
  /// negative ones as equations 50 to 53 have it.
  std::vector<double> weights;
  double mu_eff = 0;
  double c_sigma = 0, d_sigma = 0;
  double c_c = 0, c_1 = 0, c_mu = 0;  ///< the last two are 0 of es_csa
  double expected_norm = 0;           ///< E‖N(0, I)‖, by the usual approximation
  /// Generations between two decompositions: 1/(10 n (c_1 + c_mu)), at least 1.
  std::int64_t lazy_generations = 1;
};

/// Rates of a search over `dimension` numbers. c_mu is that of the first version of the tutorial,
/// without the later 1/4. Of cma_diag, c_1 and c_mu are (n+2)/3 times as large. Throws
/// Error(kConfig) for a population below 4, an elite ratio that leaves no positive or no negative
/// weight, or a sigma or mean rate that is not above 0.
EvolutionRates evolution_rates(const EvolutionOptions& options, std::int64_t dimension);

}  // namespace lethe::training
