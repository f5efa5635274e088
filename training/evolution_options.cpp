// SPDX-License-Identifier: Apache-2.0
#include "training/evolution_options.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "harness/base/names.h"

namespace lethe::training {
namespace {

constexpr std::array<std::pair<const char*, EvolutionKind>, 3> kKinds{
    {{"cma_full", EvolutionKind::kCmaFull},
     {"cma_diag", EvolutionKind::kCmaDiag},
     {"es_csa", EvolutionKind::kEsCsa}}};

void check(const EvolutionOptions& options, std::int64_t mu) {
  const auto refuse = [](const std::string& what, const std::string& found) {
    throw Error(ErrorKind::kConfig, "evolution: " + what + ", found " + found);
  };
  if (options.population < 4) {
    refuse("population: expected at least 4", std::to_string(options.population));
  }
  if (mu < 1 || mu >= options.population) {
    refuse("elite_ratio: expected a share that leaves members with and without weight",
           std::to_string(options.elite_ratio));
  }
  if (!(options.sigma > 0) || !std::isfinite(options.sigma)) {
    refuse("sigma: expected more than 0", std::to_string(options.sigma));
  }
  if (!(options.mean_rate > 0) || options.mean_rate > 1) {
    refuse("mean_rate: expected more than 0, at most 1", std::to_string(options.mean_rate));
  }
}

}  // namespace

std::string to_string(EvolutionKind kind) {
  return std::ranges::find(kKinds, kind, &decltype(kKinds)::value_type::second)->first;
}

std::vector<std::string> evolution_kind_names() {
  std::vector<std::string> names;
  for (const auto& [name, kind] : kKinds) names.emplace_back(name);
  return names;
}

EvolutionKind parse_evolution_kind(const std::string& name, ErrorKind kind) {
  for (const auto& [known, value] : kKinds) {
    if (name == known) return value;
  }
  throw unknown_name(kind, "evolution strategy", name, evolution_kind_names());
}

EvolutionRates evolution_rates(const EvolutionOptions& options, std::int64_t dimension) {
  const double n = static_cast<double>(dimension);
  const double lambda = static_cast<double>(options.population);
  EvolutionRates rates;
  rates.mu = static_cast<std::int64_t>(std::floor(lambda * options.elite_ratio));
  check(options, rates.mu);

  // Equation 49, for any mu.
  double positive = 0, positive_squares = 0, negative = 0, negative_squares = 0;
  for (std::int64_t rank = 1; rank <= options.population; ++rank) {
    const double weight =
        std::log(static_cast<double>(rates.mu) + 0.5) - std::log(static_cast<double>(rank));
    rates.weights.push_back(weight);
    (weight > 0 ? positive : negative) += std::abs(weight);
    (weight > 0 ? positive_squares : negative_squares) += weight * weight;
  }
  const double mu_eff = positive * positive / positive_squares;
  const double negative_mu_eff = negative * negative / negative_squares;
  rates.mu_eff = mu_eff;

  rates.c_sigma = (mu_eff + 2) / (n + mu_eff + 5);
  rates.d_sigma = 1 + 2 * std::max(0.0, std::sqrt((mu_eff - 1) / (n + 1)) - 1) + rates.c_sigma;
  rates.c_c = (4 + mu_eff / n) / (n + 4 + 2 * mu_eff / n);
  if (options.kind != EvolutionKind::kEsCsa) {
    const double scale = options.kind == EvolutionKind::kCmaDiag ? (n + 2) / 3 : 1;
    const double c_1 = 2 / ((n + 1.3) * (n + 1.3) + mu_eff);
    const double c_mu = 2 * (mu_eff - 2 + 1 / mu_eff) / ((n + 2) * (n + 2) + mu_eff);
    rates.c_1 = std::min(1.0, scale * c_1);
    rates.c_mu = std::min(1 - rates.c_1, scale * c_mu);
  }
  rates.expected_norm = std::sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n));

  double most_negative = 1 + 2 * negative_mu_eff / (mu_eff + 2);
  if (rates.c_mu > 0) {
    most_negative = std::min({most_negative, 1 + rates.c_1 / rates.c_mu,
                              (1 - rates.c_1 - rates.c_mu) / (n * rates.c_mu)});
    rates.lazy_generations = std::max<std::int64_t>(
        1, static_cast<std::int64_t>(1 / (10 * n * (rates.c_1 + rates.c_mu))));
  }
  for (double& weight : rates.weights) {
    weight *= weight > 0 ? 1 / positive : most_negative / negative;
  }
  return rates;
}

}  // namespace lethe::training
