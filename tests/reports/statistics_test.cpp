// SPDX-License-Identifier: Apache-2.0
#include <boost/math/distributions/chi_squared.hpp>
#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <fstream>
#include <set>

#include "harness/base/json.h"
#include "harness/base/seed.h"
#include "reports/statistics/binomial.h"
#include "reports/statistics/clustered.h"
#include "reports/statistics/distributions.h"
#include "reports/statistics/multiple_testing.h"
#include "reports/statistics/permutation.h"
#include "reports/statistics/power.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

using namespace lethe;
using namespace lethe::reports;

namespace {

std::vector<json::value> cases(const std::string& name) {
  std::ifstream file(test::golden("stats/" + name));
  std::vector<json::value> out;
  for (std::string line; std::getline(file, line);) {
    out.push_back(parse_json(line, name, ErrorKind::kData));
  }
  return out;
}

std::vector<double> numbers(const json::value& array) {
  return json::value_to<std::vector<double>>(array);
}

double number(const json::value& object, const char* name) {
  return object.at(name).to_number<double>();
}

void check_relative(double found, double expected, double tolerance = 1e-9) {
  CHECK(std::abs(found - expected) <= tolerance * std::max(std::abs(expected), 1e-300) + 1e-14);
}

/// Power of the two-sided t test, integrated over the distribution of the sample deviation: shares
/// no code with the non-central t distribution.
double power_by_integration(double noncentrality, double degrees, double alpha) {
  const double critical = t_quantile(1 - alpha / 2, degrees);
  const boost::math::normal_distribution<double> normal;
  const boost::math::chi_squared_distribution<double> squares(degrees);
  constexpr int kSteps = 100'000;
  constexpr double kEnd = 5;
  double sum = 0;
  for (int i = 0; i < kSteps; ++i) {
    const double s = (i + 0.5) * kEnd / kSteps;
    const double reject = cdf(complement(normal, critical * s - noncentrality)) +
                          cdf(normal, -critical * s - noncentrality);
    sum += reject * pdf(squares, degrees * s * s) * 2 * degrees * s;
  }
  return sum * kEnd / kSteps;
}

}  // namespace

TEST_CASE("clustered standard errors equal the golden cases", "[reports][golden]") {
  const auto all = cases("stats_clustered_se.jsonl");
  REQUIRE(all.size() == 14);
  for (const json::value& item : all) {
    CAPTURE(item.at("id").as_string().c_str());
    const auto& expected = item.at("expected");
    const auto values = numbers(item.at("data").at("values"));
    const auto clusters = json::value_to<std::vector<std::string>>(item.at("data").at("clusters"));
    const Estimate estimate = clustered_mean(values, clusters);
    check_relative(estimate.mean, number(expected, "mean"));
    REQUIRE(estimate.standard_error);
    check_relative(*estimate.standard_error, number(expected, "se_cluster_G_over_G_minus_1"));
    const double groups = static_cast<double>(estimate.clusters);
    check_relative(*estimate.standard_error * std::sqrt((groups - 1) / groups),
                   number(expected, "se_cluster_no_correction"));
    CHECK(estimate.clusters == expected.at("clusters").to_number<std::size_t>());
    CHECK(estimate.n == expected.at("n").to_number<std::size_t>());

    std::vector<std::string> each(values.size());
    for (std::size_t i = 0; i < each.size(); ++i) each[i] = std::to_string(i);
    check_relative(*clustered_mean(values, each).standard_error, number(expected, "se_naive"));

    std::vector<double> means = cluster_sums(values, clusters);
    const std::vector<double> sizes =
        cluster_sums(std::vector<double>(values.size(), 1.0), clusters);
    for (std::size_t i = 0; i < means.size(); ++i) means[i] /= sizes[i];
    const Estimate of_means = clustered_mean(means, std::span(each).first(means.size()));
    check_relative(of_means.mean, number(expected, "mean_of_cluster_means"));
    check_relative(*of_means.standard_error, number(expected, "se_of_cluster_means"));

    const auto ends = numbers(expected.at("ci95_t_G_minus_1"));
    const double half = t_quantile(0.975, groups - 1) * *estimate.standard_error;
    check_relative(estimate.mean - half, ends[0]);
    check_relative(estimate.mean + half, ends[1]);
    if (estimate.clusters < kManyClusters) {
      check_relative(interval(estimate)->low, ends[0]);
      check_relative(interval(estimate)->high, ends[1]);
    } else {
      CHECK(interval(estimate)->low > ends[0]);
    }
  }
}

TEST_CASE("a weighted clustered mean is the ratio estimator", "[reports][unit]") {
  // Weights 1 and 3 are the same as the second value standing there three times.
  const std::vector<double> values{1, 2, 4};
  const std::vector<double> weights{1, 3, 1};
  const std::vector<std::string> clusters{"a", "b", "c"};
  const std::vector<double> long_values{1, 2, 2, 2, 4};
  const std::vector<std::string> long_clusters{"a", "b", "b", "b", "c"};
  const Estimate weighted = clustered_mean(values, weights, clusters);
  const Estimate repeated = clustered_mean(long_values, long_clusters);
  check_relative(weighted.mean, repeated.mean);
  check_relative(*weighted.standard_error, *repeated.standard_error);
}

TEST_CASE("one cluster has no interval and no variance gives a point", "[reports][unit]") {
  const std::vector<double> values{1, 2};
  const std::vector<std::string> one{"a", "a"};
  CHECK_FALSE(clustered_mean(values, one).standard_error);
  CHECK_FALSE(interval(clustered_mean(values, one)));
  const std::vector<double> equal{2, 2};
  const std::vector<std::string> two{"a", "b"};
  const auto point = interval(clustered_mean(equal, two));
  REQUIRE(point);
  CHECK(point->low == 2);
  CHECK(point->high == 2);
  CHECK_THROWS_AS(clustered_mean(std::vector<double>{}, std::vector<std::string>{}), Error);
}

TEST_CASE("t intervals cover the truth as often as they say with six clusters",
          "[reports][property]") {
  // Sums of twelve uniforms are close to normal; 4,000 trials put the share within 1.2 points.
  RandomStream random(7);
  const std::vector<std::string> clusters{"a", "b", "c", "d", "e", "f"};
  int covered = 0;
  constexpr int kTrials = 4000;
  for (int trial = 0; trial < kTrials; ++trial) {
    std::vector<double> values;
    for (std::size_t i = 0; i < clusters.size(); ++i) {
      double sum = -6;
      for (int j = 0; j < 12; ++j) sum += random.uniform();
      values.push_back(sum);
    }
    const auto ends = interval(clustered_mean(values, clusters));
    covered += ends->low <= 0 && 0 <= ends->high;
  }
  CHECK(std::abs(static_cast<double>(covered) / kTrials - 0.95) < 0.012);
}

TEST_CASE("the exact sign-flip test equals the golden cases", "[reports][golden]") {
  const auto all = cases("stats_permutation.jsonl");
  REQUIRE(all.size() == 18);
  for (const json::value& item : all) {
    CAPTURE(item.at("id").as_string().c_str());
    const auto& expected = item.at("expected");
    const SignFlipResult result = sign_flip_test(numbers(item.at("data").at("differences")));
    CHECK(result.exact);
    CHECK(std::abs(result.p_two_sided - number(expected, "p_two_sided")) < 1e-12);
    CHECK(std::abs(result.p_greater - number(expected, "p_greater")) < 1e-12);
    CHECK(std::abs(result.p_less - number(expected, "p_less")) < 1e-12);
    CHECK(result.two_sided_count == expected.at("two_sided_count").to_number<std::uint64_t>());
    CHECK(result.patterns == expected.at("total").to_number<std::uint64_t>());
  }
}

TEST_CASE("the Monte Carlo sign-flip test is near the exact one and repeats", "[reports][unit]") {
  std::vector<double> differences(kMaxExactFlips, 0);
  for (std::size_t i = 0; i < differences.size(); ++i) {
    differences[i] = i % 4 == 0 ? -1.0 : 0.6 + 0.01 * static_cast<double>(i);
  }
  const SignFlipResult exact = sign_flip_test(differences);
  REQUIRE(exact.exact);
  // A zero more changes no sum, only the method.
  differences.push_back(0);
  const SignFlipResult sampled = sign_flip_test(differences);
  CHECK_FALSE(sampled.exact);
  CHECK(sampled.patterns == kMonteCarloFlips + 1);
  CHECK(std::abs(sampled.p_two_sided - exact.p_two_sided) < 0.005);
  CHECK(sign_flip_test(differences).p_two_sided == sampled.p_two_sided);
  CHECK(sign_flip_test(std::vector<double>(70, 1.0)).p_two_sided > 0);
  CHECK(sign_flip_test(std::vector<double>{}).p_two_sided == 1);
}

TEST_CASE("Holm and Benjamini-Hochberg equal the golden cases", "[reports][golden]") {
  const auto all = cases("stats_multiple_testing.jsonl");
  REQUIRE(all.size() == 14);
  for (const json::value& item : all) {
    CAPTURE(item.at("id").as_string().c_str());
    const auto p = numbers(item.at("data").at("p"));
    const auto check = [&](const std::vector<double>& found, const char* name) {
      const auto expected = numbers(item.at("expected").at(name).at("adjusted"));
      REQUIRE(found.size() == expected.size());
      for (std::size_t i = 0; i < found.size(); ++i) check_relative(found[i], expected[i]);
    };
    check(holm(p), "holm");
    check(benjamini_hochberg(p), "fdr_bh");
  }
  CHECK(holm({}).empty());
}

TEST_CASE("minimum detectable effects equal the golden cases", "[reports][golden]") {
  const auto all = cases("stats_mde.jsonl");
  REQUIRE(all.size() == 12);
  // These golden values miss the equation they are said to solve by more than 1e-6 of power
  // (probably the stopping rule of the solver that made them), which two correct programs cannot
  // share.
  const std::set<std::string> unsolved{"stats_mde-g000", "stats_mde-g001", "stats_mde-g002",
                                       "stats_mde-g004", "stats_mde-g011"};
  for (const json::value& item : all) {
    const std::string id(item.at("id").as_string());
    CAPTURE(id);
    const auto& data = item.at("data");
    const auto& expected = item.at("expected");
    const double n = number(data, "n");
    const double alpha = number(data, "alpha");
    const double power = number(data, "power");
    const double error = number(expected, "sd_difference") / std::sqrt(n);
    const double golden = number(expected, "mde_noncentral_t");
    const double found = detectable_effect_t(error, n - 1, alpha, power);
    check_relative(detectable_effect_normal(error, alpha, power), number(expected, "mde_normal"));
    CHECK(std::abs(power_by_integration(found / error, n - 1, alpha) - power) < 1e-9);
    const double miss = std::abs(power_by_integration(golden / error, n - 1, alpha) - power);
    CHECK((miss > 1e-6) == unsolved.contains(id));
    check_relative(found, golden, unsolved.contains(id) ? 3e-5 : 1e-6);
  }
}

TEST_CASE("Wilson's interval keeps a width at none and all", "[reports][unit]") {
  // By the formula in Python with the normal quantile of its statistics module.
  const auto ends = [](std::size_t correct, std::size_t n) {
    const Interval found = wilson_interval(correct, n);
    return std::pair(found.low, found.high);
  };
  const auto check = [](std::pair<double, double> found, double low, double high) {
    CHECK(found.first == Approx(low).margin(1e-12));
    CHECK(found.second == Approx(high).margin(1e-12));
  };
  check(ends(0, 16), 0, 0.19360768053443644);
  check(ends(16, 16), 0.8063923194655636, 1);
  check(ends(64, 64), 0.9433759402071946, 1);
  check(ends(128, 128), 0.9708630437264916, 1);
  check(ends(63, 64), 0.9166589839990573, 0.9972364580766624);
  check(ends(3, 10), 0.10779126740630104, 0.6032218525388545);
  CHECK_THROWS_AS(wilson_interval(0, 0), Error);
  CHECK_THROWS_AS(wilson_interval(2, 1), Error);
}

TEST_CASE("binomial p-values are exact", "[reports][unit]") {
  // Sums of exact fractions in Python.
  CHECK(binomial_p(7, 20, 0.3) == Approx(0.6294979666766777).epsilon(1e-10));
  CHECK(binomial_p(24, 64, 0.375) == Approx(1));
  CHECK(binomial_p(64, 64, 0.375) == Approx(5.4701739194943785e-28).epsilon(1e-10));
  CHECK(binomial_p(11, 64, 1.0 / 6) == Approx(0.86724953456753).epsilon(1e-10));
  // Equally likely counts at both ends are a tie.
  CHECK(binomial_p(0, 10, 0.5) == Approx(2.0 / 1024));
  CHECK(binomial_p(3, 3, 1) == Approx(1));
  CHECK(binomial_p(2, 3, 1) == Approx(0));
  CHECK_THROWS_AS(binomial_p(1, 0, 0.5), Error);
}
