// SPDX-License-Identifier: Apache-2.0
// The parts of namm, each against its definition: features, network, file.
#include <algorithm>
#include <cmath>
#include <limits>

#include "harness/base/json.h"
#include "policies/namm/scorer.h"
#include "tests/policies/namm_reference.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::policies {
namespace {

std::vector<float> scores_of(const NammParameters& parameters, const std::vector<float>& x) {
  std::vector<float> scores(x.size() / kNammFeatures);
  NammScorer(std::make_shared<const NammParameters>(parameters)).score(x, scores);
  return scores;
}

std::vector<float> random_features(RandomStream& random, std::size_t tokens) {
  std::vector<float> x(tokens * kNammFeatures);
  for (float& value : x) value = static_cast<float>(4 * random.uniform() - 2);
  return x;
}

/// Rows of attention over tokens that arrive one a row: weights[query][key], 0 for later keys.
std::vector<std::vector<double>> random_rows(RandomStream& random, std::size_t rows) {
  std::vector<std::vector<double>> all;
  for (std::size_t query = 0; query < rows; ++query) {
    auto& row = all.emplace_back(query + 1);
    double sum = 0;
    for (double& weight : row) sum += weight = std::exp(4 * random.uniform());
    for (double& weight : row) weight /= sum;
  }
  return all;
}

TEST_CASE("the network has as many weights as the paper's", "[unit]") {
  CHECK(namm_weight_count(NammVariant::kBam, 32) == 4172);
  CHECK(namm_weight_count(NammVariant::kBam, 8) == 1100);
  CHECK(namm_weight_count(NammVariant::kMlp, 32) == 51 * 32 + 51);
  for (const std::int64_t d : {1, 7, 64}) {
    CHECK(namm_weight_count(NammVariant::kBam, d) == static_cast<std::size_t>(128 * d + 76));
  }
}

TEST_CASE("the spectrogram is the definition's transform, averaged over frames", "[property]") {
  RandomStream random(101);
  const auto rows = random_rows(random, 160);
  Spectrogram spectrogram;
  for (std::size_t query = 0; query < rows.size(); ++query) {
    spectrogram.add_row(rows[query]);
    CHECK(spectrogram.at_frame() == ((query + 1) % 16 == 0));
    if (!spectrogram.at_frame()) continue;
    REQUIRE(spectrogram.tokens() == query + 1);
    for (std::size_t key = 0; key <= query; ++key) {
      std::vector<double> column(16, 0.0);  // nothing stands before the text
      for (std::size_t q = 0; q <= query; ++q) column.push_back(q < key ? 0 : rows[q][key]);
      const Bins expected = naive_omega(column, {});
      const double scale = *std::max_element(expected.begin(), expected.end());
      for (std::size_t k = 0; k < kNammBins; ++k) {
        CAPTURE(query, key, k);
        REQUIRE(std::abs(static_cast<double>(spectrogram.spectrum()[k][key]) - expected[k]) <
                1e-6 * scale);
      }
    }
  }
}

TEST_CASE("constant attention has a constant spectrum, averaged by the recursion", "[unit]") {
  Spectrogram spectrogram;
  const double decay = std::pow(0.99, 16);
  double steady = 0, first = 0;
  for (int frame = 0; frame < 40; ++frame) {
    for (int row = 0; row < 16; ++row) spectrogram.add_row(std::vector<double>{0.25});
    const auto& omega = spectrogram.spectrum();
    // A Hann window sums to 16; half of that, with the other sign, stands at frequency 1.
    if (frame == 0) {
      steady = static_cast<double>(omega[0][0]), first = static_cast<double>(omega[1][0]);
      continue;
    }
    steady = decay * steady + (1 - decay) * 16 * 0.25;
    first = decay * first + (1 - decay) * 8 * 0.25;
    CHECK(static_cast<double>(omega[0][0]) == Approx(steady).epsilon(1e-5));
    CHECK(static_cast<double>(omega[1][0]) == Approx(first).epsilon(1e-5));
    CHECK(static_cast<double>(omega[5][0]) < steady);
  }
  CHECK(steady == Approx(4).epsilon(0.01));
}

TEST_CASE("what a spectrogram drops leaves no trace in the others", "[property]") {
  RandomStream random(102);
  for (int round = 0; round < 20; ++round) {
    const auto rows = random_rows(random, 70);
    const std::size_t cut = 5 + random.below(40);  // within a frame, too
    std::vector<std::size_t> victims;
    for (std::size_t i = 0; i < cut; ++i) {
      if (random.below(3) == 0) victims.push_back(i);
    }
    const auto stays = [&](std::size_t i) {
      return !std::binary_search(victims.begin(), victims.end(), i);
    };
    Spectrogram dropping, without;
    for (std::size_t query = 0; query < rows.size(); ++query) {
      std::vector<double> fewer;
      for (std::size_t i = 0; i <= query; ++i) {
        if (stays(i)) fewer.push_back(rows[query][i]);
      }
      without.add_row(fewer);
      dropping.add_row(query < cut ? rows[query] : fewer);
      if (query + 1 == cut) dropping.drop(victims);
    }
    CHECK(dropping.tokens() == without.tokens());
    CHECK(dropping.spectrum() == without.spectrum());
  }
}

TEST_CASE("features are the age and the standardised spectrum", "[unit]") {
  NammParameters parameters = zero_namm_parameters();
  parameters.mean.fill(1);
  parameters.deviation.fill(2);
  SpectrumTable spectrum;
  for (std::size_t k = 0; k < kNammBins; ++k) spectrum[k] = {3, static_cast<float>(k)};
  const std::vector<std::int64_t> positions = {40, 100};
  const auto x = namm_features(parameters, positions, spectrum);
  REQUIRE(x.size() == 50);
  CHECK(x[0] == Approx(std::sin(60.0)));
  CHECK(x[1] == Approx(std::sin(60 / std::pow(50000, 0.25))));
  CHECK(x[4] == Approx(std::cos(60.0)));
  CHECK(x[7] == Approx(std::cos(60 / std::pow(50000, 0.75))));
  for (std::size_t j = 0; j < 4; ++j) {
    CHECK(x[25 + j] == 0);  // the newest token has age 0
    CHECK(x[29 + j] == 1);
  }
  CHECK(x[8] == 1);
  CHECK(x[25 + 8 + 16] == 7.5F);
}

TEST_CASE("scores equal explicit attention between all tokens in float64", "[property]") {
  RandomStream random(103);
  const NammVariant variant = GENERATE(NammVariant::kBam, NammVariant::kMlp);
  const std::int64_t hidden = GENERATE(1, 8, 20, 32, 40);
  for (const std::size_t tokens : {1, 2, 5, 6, 7, 16, 17, 33, 150}) {
    const auto parameters = random_namm(random.next(), 16, 1, variant, hidden);
    const auto x = random_features(random, tokens);
    std::vector<std::vector<double>> rows;
    for (std::size_t i = 0; i < tokens; ++i) {
      const auto begin = x.begin() + static_cast<std::ptrdiff_t>(i * kNammFeatures);
      rows.emplace_back(begin, begin + kNammFeatures);
    }
    const auto expected = naive_scores(parameters, rows);
    const auto found = scores_of(parameters, x);
    for (std::size_t i = 0; i < tokens; ++i) {
      CAPTURE(to_string(variant), hidden, tokens, i);
      CHECK(static_cast<double>(found[i]) == Approx(expected[i]).margin(1e-5).epsilon(1e-5));
    }
  }
}

TEST_CASE("scores of weights far apart stay finite", "[unit]") {
  RandomStream random(104);
  auto parameters = random_namm(1, 16, 1);
  for (float& weight : parameters.weights) weight *= 50;
  for (const float score : scores_of(parameters, random_features(random, 200))) {
    CHECK(std::isfinite(score));
  }
}

TEST_CASE("a token's score depends on itself and on newer tokens", "[unit]") {
  RandomStream random(105);
  const auto changed = [&](NammVariant variant) {
    const auto parameters = random_namm(7, 16, 1, variant);
    auto x = random_features(random, 6);
    const auto before = scores_of(parameters, x);
    for (std::size_t c = 0; c < kNammFeatures; ++c) x[2 * kNammFeatures + c] += 0.5F;
    const auto after = scores_of(parameters, x);
    std::vector<std::size_t> out;
    for (std::size_t i = 0; i < 6; ++i) {
      if (after[i] != before[i]) out.push_back(i);
    }
    return out;
  };
  CHECK(changed(NammVariant::kBam) == std::vector<std::size_t>{0, 1, 2});
  CHECK(changed(NammVariant::kMlp) == std::vector<std::size_t>{2});
}

TEST_CASE("weights of zero give scores of exactly zero", "[unit]") {
  RandomStream random(106);
  for (const NammVariant variant : {NammVariant::kBam, NammVariant::kMlp}) {
    for (const float score :
         scores_of(zero_namm_parameters(variant), random_features(random, 40))) {
      CHECK(score == 0);
    }
  }
}

TEST_CASE("a NAMM file keeps every number", "[unit]") {
  const test::TempDir folder;
  auto parameters = random_namm(3, 128, 0.37F, NammVariant::kMlp, 9);
  RandomStream random(4);
  for (float& value : parameters.mean) value = static_cast<float>(random.uniform());
  parameters.weights[0] = std::numeric_limits<float>::denorm_min();
  parameters.weights[1] = -0.0F;
  parameters.weights[2] = std::numeric_limits<float>::max();
  parameters.provenance = {{"generations", 7}};
  write_namm_file(folder / "namm.json", parameters);
  const auto back = read_namm_file(folder / "namm.json");
  CHECK(back.variant == parameters.variant);
  CHECK(back.hidden == 9);
  CHECK(back.update_interval == 128);
  CHECK(back.weights == parameters.weights);
  CHECK(back.mean == parameters.mean);
  CHECK(back.deviation == parameters.deviation);
  CHECK(back.provenance == parameters.provenance);
  CHECK(namm_content_sha256(back) == namm_content_sha256(parameters));
  // The name of the content does not depend on where it comes from, and on all else.
  auto other = parameters;
  other.provenance = {};
  CHECK(namm_content_sha256(other) == namm_content_sha256(parameters));
  other.mean[16] = 5;
  CHECK(namm_content_sha256(other) != namm_content_sha256(parameters));
  other = parameters;
  other.update_interval = 256;
  CHECK(namm_content_sha256(other) != namm_content_sha256(parameters));
}

TEST_CASE("bad NAMM files are refused with what is wrong and where", "[fault]") {
  const auto message = [](const std::function<void(json::object&)>& spoil) {
    json::object file = to_json(zero_namm_parameters(NammVariant::kBam, 2, 32));
    spoil(file);
    try {
      namm_parameters_of(file, "namm.json");
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::kData);
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  const auto found = [&](const std::string& part, const std::function<void(json::object&)>& spoil) {
    CHECK_THAT(message(spoil), Catch::Contains(part) && Catch::Contains("namm.json"));
  };
  CHECK(message([](json::object&) {}) == "accepted");
  found("expected \"lethe.namm\", found \"other\"", [](auto& f) { f["schema"] = "other"; });
  found("version: expected 1, found 2", [](auto& f) { f["version"] = 2; });
  found("features: expected", [](auto& f) { f["features"] = "age4"; });
  found("did you mean 'bam'", [](auto& f) { f["variant"] = "bum"; });
  found("hidden: expected from 1", [](auto& f) { f["hidden"] = 0; });
  found("weights", [](auto& f) { f["hidden"] = 3; });
  found("expected 332 numbers, found 331", [](auto& f) { f["weights"].as_array().pop_back(); });
  found("expected 17 numbers, found 18", [](auto& f) { f["mean"].as_array().push_back(1); });
  found("[3]: expected a number, found", [](auto& f) { f["weights"].as_array()[3] = "x"; });
  found("weights[4]: expected a finite number",
        [](auto& f) { f["weights"].as_array()[4] = 1e300; });
  found("deviation[5]: expected at least", [](auto& f) { f["deviation"].as_array()[5] = 0; });
  found("deviation[6]: expected at least", [](auto& f) { f["deviation"].as_array()[6] = -1; });
  found("update_interval: expected a multiple of 16", [](auto& f) { f["update_interval"] = 40; });
  found("update_interval: expected a multiple of 16", [](auto& f) { f["update_interval"] = 0; });
  found("provenance", [](auto& f) { f["provenance"] = "me"; });
  found("wieghts", [](auto& f) { f["wieghts"] = 1; });

  auto parameters = zero_namm_parameters();
  parameters.weights[9] = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_AS(check_namm_parameters(parameters, "here"), Error);
  CHECK_THROWS_AS(make_namm_plan(std::make_shared<const NammParameters>(parameters)), Error);
  const test::TempDir folder;
  CHECK_THROWS_AS(write_namm_file(folder / "namm.json", parameters), Error);
  CHECK_THROWS_AS(read_namm_file(folder / "namm.json"), Error);
}

}  // namespace
}  // namespace lethe::policies
