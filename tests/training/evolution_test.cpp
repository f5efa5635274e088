// SPDX-License-Identifier: Apache-2.0
// Evolution strategies: their rates, their states, and what they refuse.
#include "training/evolution.h"

#include <cmath>
#include <limits>

#include "tests/models/file_support.h"
#include "tests/support/catch.h"

namespace lethe::test {
namespace {

using Catch::Matchers::Contains;
using training::EvolutionKind;
using training::EvolutionOptions;
using training::EvolutionRates;
using training::EvolutionStrategy;

constexpr EvolutionKind kKinds[]{EvolutionKind::kCmaFull, EvolutionKind::kCmaDiag,
                                 EvolutionKind::kEsCsa};

// An ellipsoid around (1, 2, …): what is maximised.
double fitness(const std::vector<double>& x) {
  double sum = 0;
  for (std::size_t j = 0; j < x.size(); ++j) {
    const double away = x[j] - static_cast<double>(j + 1);
    sum -= static_cast<double>(j + 1) * away * away;
  }
  return sum;
}

std::vector<double> fitnesses_of(const std::vector<std::vector<double>>& members) {
  std::vector<double> fitnesses;
  for (const auto& member : members) fitnesses.push_back(fitness(member));
  return fitnesses;
}

void advance(EvolutionStrategy& search, int generations) {
  for (int i = 0; i < generations; ++i) search.tell(fitnesses_of(search.ask()));
}

TEST_CASE("rates are those of NAMM's setting", "[evolution]") {
  EvolutionOptions options;
  options.kind = EvolutionKind::kCmaFull;
  const EvolutionRates rates = evolution_rates(options, 4172);
  CHECK(rates.mu == 16);
  CHECK(rates.mu_eff == Approx(9.18).epsilon(1e-3));
  CHECK(rates.c_1 == Approx(1.15e-7).epsilon(5e-3));
  CHECK(rates.c_mu == Approx(8.37e-7).epsilon(1e-3));
  CHECK(rates.c_sigma == Approx(2.67e-3).epsilon(1e-3));
  CHECK(rates.d_sigma == Approx(1.0027).epsilon(1e-4));
  CHECK(rates.c_c == Approx(9.58e-4).epsilon(1e-3));
  CHECK(rates.expected_norm == Approx(64.59).epsilon(1e-4));
  CHECK(rates.lazy_generations == 25);
  double positive = 0, negative = 0;
  for (const double weight : rates.weights) (weight > 0 ? positive : negative) += weight;
  CHECK(positive == Approx(1));
  CHECK(negative == Approx(-(1 + rates.c_1 / rates.c_mu)));
  CHECK(rates.weights[15] > 0);
  CHECK(rates.weights[16] < 0);
}

TEST_CASE("a diagonal learns faster, an identity not at all", "[evolution]") {
  EvolutionOptions options;
  options.kind = EvolutionKind::kCmaFull;
  const EvolutionRates full = evolution_rates(options, 100);
  options.kind = EvolutionKind::kCmaDiag;
  const EvolutionRates diagonal = evolution_rates(options, 100);
  CHECK(diagonal.c_1 == Approx(34 * full.c_1));
  CHECK(diagonal.c_mu == Approx(34 * full.c_mu));
  CHECK(diagonal.c_sigma == full.c_sigma);
  options.kind = EvolutionKind::kEsCsa;
  const EvolutionRates identity = evolution_rates(options, 100);
  CHECK(identity.c_1 == 0);
  CHECK(identity.c_mu == 0);
  CHECK(identity.mu_eff == full.mu_eff);
}

TEST_CASE("equal seeds give equal members, other seeds others", "[evolution]") {
  for (const EvolutionKind kind : kKinds) {
    EvolutionOptions options;
    options.kind = kind;
    EvolutionStrategy first(options, {0, 0, 0}, 1), again(options, {0, 0, 0}, 1),
        other(options, {0, 0, 0}, 2);
    advance(first, 5);
    advance(again, 5);
    CHECK(first.mean() == again.mean());
    const auto members = first.ask();
    CHECK(members == again.ask());
    CHECK(members.size() == 32);
    CHECK(first.population() == 32);
    advance(other, 5);
    CHECK(members != other.ask());
  }
}

TEST_CASE("members lie around the mean as sigma has it", "[evolution]") {
  for (const EvolutionKind kind : kKinds) {
    EvolutionOptions options{.kind = kind, .population = 500, .sigma = 0.5};
    EvolutionStrategy search(options, std::vector<double>(20, 3), 7);
    double sum = 0, squares = 0;
    for (const auto& member : search.ask()) {
      for (const double value : member) {
        sum += value - 3;
        squares += (value - 3) * (value - 3);
      }
    }
    CHECK(sum / 10000 == Approx(0).margin(0.02));  // 4 standard errors
    CHECK(std::sqrt(squares / 10000) == Approx(0.5).epsilon(0.03));
  }
}

TEST_CASE("only the order of fitnesses counts", "[evolution][property]") {
  for (const EvolutionKind kind : kKinds) {
    EvolutionOptions options;
    options.kind = kind;
    EvolutionStrategy plain(options, {0, 0, 0, 0}, 1), bent(options, {0, 0, 0, 0}, 1);
    for (int i = 0; i < 10; ++i) {
      const auto fitnesses = fitnesses_of(plain.ask());
      auto others = fitnesses_of(bent.ask());
      for (double& value : others) value = std::exp(value / 100) - 5;
      plain.tell(fitnesses);
      bent.tell(others);
    }
    CHECK(plain.mean() == bent.mean());
    CHECK(plain.sigma() == bent.sigma());
  }
}

TEST_CASE("a search that was saved goes on with the same bits", "[evolution][property]") {
  for (const EvolutionKind kind : kKinds) {
    // 200 numbers: the full one decomposes every 5 generations, so the state holds an older one.
    EvolutionOptions options{.kind = kind, .population = 8};
    const std::vector<double> start(200, 0.0);
    if (kind == EvolutionKind::kCmaFull) CHECK(evolution_rates(options, 200).lazy_generations == 5);
    EvolutionStrategy whole(options, start, 3), broken(options, start, 3);
    advance(whole, 8);
    advance(broken, 8);
    StateWriter state;
    broken.save(state);
    EvolutionStrategy resumed(options, start, 99);
    resumed.load(StateReader(state.finish("x"), "x"));
    CHECK(resumed.generation() == 8);
    advance(whole, 7);
    advance(resumed, 7);
    CHECK(resumed.mean() == whole.mean());
    CHECK(resumed.sigma() == whole.sigma());
    StateWriter left, right;
    whole.save(left);
    resumed.save(right);
    CHECK(left.finish("x") == right.finish("x"));
  }
}

TEST_CASE("a state of another search is refused", "[evolution][fault]") {
  EvolutionOptions options;
  EvolutionStrategy search(options, {0, 0, 0}, 1);
  StateWriter state;
  search.save(state);
  const StateReader saved(state.finish("x"), "x");
  EvolutionStrategy longer(options, {0, 0, 0, 0}, 1);
  CHECK_THAT(error_of(ErrorKind::kData, [&] { longer.load(saved); }),
             Contains("evolution.mean") && Contains("has 3 numbers, expected 4"));
  options.kind = EvolutionKind::kEsCsa;
  EvolutionStrategy other(options, {0, 0, 0}, 1);
  CHECK_THAT(error_of(ErrorKind::kData, [&] { other.load(saved); }), Contains("es_csa"));
}

TEST_CASE("fitnesses that are not one finite number a member change nothing",
          "[evolution][fault]") {
  for (const double wrong :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(),
        -std::numeric_limits<double>::infinity()}) {
    EvolutionOptions options{.population = 6};
    EvolutionStrategy search(options, {0, 0}, 1), untouched(options, {0, 0}, 1);
    advance(search, 3);
    advance(untouched, 3);
    auto fitnesses = fitnesses_of(search.ask());
    untouched.tell(fitnesses_of(untouched.ask()));
    const double right = fitnesses[4];
    fitnesses[4] = wrong;
    CHECK_THAT(error_of(ErrorKind::kModel, [&] { search.tell(fitnesses); }),
               Contains("generation 3, member 4") && Contains("not finite"));
    fitnesses[4] = right;
    auto more = fitnesses;
    more.push_back(1);
    CHECK_THAT(error_of(ErrorKind::kInternal, [&] { search.tell(more); }),
               Contains("generation 3") && Contains("of 6 members, found 7"));
    search.tell(fitnesses);
    CHECK(search.mean() == untouched.mean());
  }
}

TEST_CASE("asking and telling take turns", "[evolution][fault]") {
  EvolutionStrategy search({}, {0, 0}, 1);
  error_of(ErrorKind::kInternal, [&] { search.tell(std::vector<double>(32, 0)); });
  search.ask();
  error_of(ErrorKind::kInternal, [&] { search.ask(); });
  StateWriter state;
  error_of(ErrorKind::kInternal, [&] { search.save(state); });
}

TEST_CASE("options that no search can have are refused", "[evolution][fault]") {
  const auto error = [](EvolutionOptions options, std::vector<double> mean = {0, 0}) {
    return error_of(ErrorKind::kConfig, [&] { EvolutionStrategy(options, mean, 1); });
  };
  CHECK_THAT(error({.population = 3}), Contains("population: expected at least 4, found 3"));
  CHECK_THAT(error({.elite_ratio = 1}), Contains("elite_ratio"));
  CHECK_THAT(error({.elite_ratio = 0.01}), Contains("elite_ratio"));
  CHECK_THAT(error({.sigma = 0}), Contains("sigma"));
  CHECK_THAT(error({.mean_rate = 2}), Contains("mean_rate"));
  CHECK_THAT(error({}, {}), Contains("first mean"));
  CHECK_THAT(error({}, {0, std::nan("")}), Contains("first mean"));
  CHECK_THAT(error_of(ErrorKind::kConfig,
                      [] { training::parse_evolution_kind("cma_ful", ErrorKind::kConfig); }),
             Contains("did you mean 'cma_full'"));
}

}  // namespace
}  // namespace lethe::test
