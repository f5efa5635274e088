// SPDX-License-Identifier: Apache-2.0
// Evaluations to a target, against an independent implementation (tests/golden/evolution).
#include <algorithm>
#include <cmath>
#include <numbers>
#include <optional>

#include "harness/base/json.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"
#include "training/evolution.h"

namespace lethe::test {
namespace {

using Point = std::vector<double>;

double ellipsoid(const Point& x, double condition) {
  double sum = 0;
  for (std::size_t j = 0; j < x.size(); ++j) {
    const double place = static_cast<double>(j) / static_cast<double>(x.size() - 1);
    sum += std::pow(condition, place) * x[j] * x[j];
  }
  return sum;
}

double rosenbrock(const Point& x) {
  double sum = 0;
  for (std::size_t j = 0; j + 1 < x.size(); ++j) {
    sum += 100 * std::pow(x[j + 1] - x[j] * x[j], 2) + std::pow(1 - x[j], 2);
  }
  return sum;
}

double rastrigin(const Point& x) {
  double sum = 10 * static_cast<double>(x.size());
  for (const double value : x) {
    sum += value * value - 10 * std::cos(2 * std::numbers::pi * value);
  }
  return sum;
}

double value_of(const std::string& function, const Point& x) {
  if (function == "sphere") return ellipsoid(x, 1);
  if (function == "ellipsoid:10") return ellipsoid(x, 10);
  if (function == "ellipsoid:1e6") return ellipsoid(x, 1e6);
  if (function == "rosenbrock") return rosenbrock(x);
  if (function == "rastrigin") return rastrigin(x);
  FAIL("no function " + function);
  return 0;
}

struct Case {
  training::EvolutionOptions options;
  std::string function;
  Point start;
  double target;
  std::int64_t most;
};

// Evaluations until a member is at the target; nothing when `most` do not do.
std::optional<double> evaluations(const Case& problem, std::uint64_t seed) {
  training::EvolutionStrategy search(problem.options, problem.start, seed);
  for (std::int64_t done = problem.options.population; done <= problem.most;
       done += problem.options.population) {
    std::vector<double> fitnesses;
    for (const Point& member : search.ask()) {
      fitnesses.push_back(-value_of(problem.function, member));
    }
    if (-std::ranges::max(fitnesses) <= problem.target) return static_cast<double>(done);
    search.tell(fitnesses);
  }
  return std::nullopt;
}

TEST_CASE("evaluations to a target are those of the oracle, within 20 %", "[evolution][golden]") {
  constexpr int kSeeds = 21;
  const auto all = read_json_file(golden("evolution/evaluations.json"), ErrorKind::kData);
  const double oracle_seeds = all.at("seeds").to_number<double>();
  for (const json::value& given : all.at("cases").as_array()) {
    Case problem;
    problem.options.kind = training::parse_evolution_kind(
        std::string(given.at("optimiser").as_string()), ErrorKind::kData);
    problem.options.population = given.at("population").as_int64();
    problem.options.sigma = given.at("sigma").to_number<double>();
    problem.function = given.at("function").as_string();
    problem.start.assign(static_cast<std::size_t>(given.at("dimension").as_int64()),
                         given.at("start").to_number<double>());
    problem.target = given.at("target").to_number<double>();
    problem.most = given.at("most").as_int64();

    std::vector<double> solved;
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
      if (const auto taken = evaluations(problem, seed)) solved.push_back(*taken);
    }
    std::ranges::sort(solved);
    const double median = solved.empty() ? 0 : solved[solved.size() / 2];
    INFO(json::serialize(given) << ": solved " << solved.size() << ", median " << median);
    const double ratio = median / given.at("median").to_number<double>();
    CHECK(ratio > 0.8);
    CHECK(ratio < 1.2);
    // Local optima: about as many of the seeds get past them.
    const double share = static_cast<double>(solved.size()) / kSeeds;
    CHECK(share == Approx(given.at("solved").to_number<double>() / oracle_seeds).margin(0.25));
  }
}

}  // namespace
}  // namespace lethe::test
