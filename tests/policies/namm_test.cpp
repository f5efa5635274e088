// SPDX-License-Identifier: Apache-2.0
// The policy namm against the same thing written down naively, and what must hold of any weights.
#include <algorithm>
#include <cmath>
#include <limits>

#include "policies/namm/scorer.h"
#include "tests/policies/namm_reference.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::policies {
namespace {

/// Keeps what every update saw, one entry per KV head.
class Gatherer final : public NammObserver {
 public:
  struct Update {
    std::int64_t step;
    int head;
    std::vector<std::int64_t> positions, kept;
    SpectrumTable omega;
    std::vector<float> scores;
  };
  void updated(const LayerContext& layer, std::int64_t step,
               std::span<const NammHeadUpdate> heads) override {
    CHECK(static_cast<int>(heads.size()) == layer.kv_heads);
    for (const auto& head : heads) {
      Update update{step, static_cast<int>(&head - heads.data()), {}, {}, *head.spectrum, {}};
      update.positions.assign(head.positions.begin(), head.positions.end());
      update.scores.assign(head.scores.begin(), head.scores.end());
      REQUIRE(head.kept.size() == head.positions.size());
      for (std::size_t i = 0; i < head.kept.size(); ++i) {
        if (head.kept[i]) update.kept.push_back(head.positions[i]);
      }
      all.push_back(std::move(update));
    }
  }
  std::vector<Update> all;
};

std::shared_ptr<const NammParameters> shared(NammParameters parameters) {
  return std::make_shared<const NammParameters>(std::move(parameters));
}

Walk walk_of(const NammParameters& parameters, std::int64_t budget = 1) {
  Walk how;
  how.schedule = Schedule::parse("block:" + std::to_string(parameters.update_interval));
  how.budget = budget;
  return how;
}

/// Same updates, up to the first that the reference finds too narrow to tell; how many those are.
std::size_t compare(const std::vector<NaiveUpdate>& expected,
                    const std::vector<Gatherer::Update>& found) {
  CHECK(found.size() == expected.size());
  std::size_t same = 0;
  for (std::size_t u = 0; u < std::min(expected.size(), found.size()); ++u) {
    const NaiveUpdate& e = expected[u];
    const Gatherer::Update& f = found[u];
    CAPTURE(e.step, e.head);
    REQUIRE(f.step == e.step);
    REQUIRE(f.head == e.head);
    REQUIRE(f.positions == e.positions);
    double worst = 0;
    for (std::size_t i = 0; i < e.positions.size(); ++i) {
      const double scale = *std::max_element(e.omega[i].begin(), e.omega[i].end());
      for (std::size_t k = 0; k < kNammBins; ++k) {
        const double difference = static_cast<double>(f.omega[k][i]) - e.omega[i][k];
        worst = std::max(worst, std::abs(difference) / scale);
      }
      CHECK(static_cast<double>(f.scores[i]) == Approx(e.scores[i]).margin(2e-4).epsilon(2e-5));
    }
    CHECK(worst < 1e-5);
    std::vector<std::int64_t> kept;
    std::set_difference(e.positions.begin(), e.positions.end(), e.victims.begin(), e.victims.end(),
                        std::back_inserter(kept));
    if (f.kept != kept) {
      CHECK(e.margin < 1e-3);
      return same;
    }
    ++same;
  }
  return same;
}

TEST_CASE("namm decides as its definition does", "[property]") {
  RandomStream random(111);
  std::size_t same = 0, victims = 0, updates = 0;
  for (int round = 0; round < 24; ++round) {
    const std::int64_t interval = 16 * (1 + static_cast<std::int64_t>(random.below(3)));
    const auto layer =
        random_layer(random, 5 * interval + static_cast<std::int64_t>(random.below(16)),
                     1 + round % 3, 1 + static_cast<int>(random.below(3)), false);
    auto parameters = random_namm(random.next(), interval, 2,
                                  round % 4 == 3 ? NammVariant::kMlp : NammVariant::kBam);
    const bool cap = round % 2 == 1;
    const std::int64_t budget = 8 + static_cast<std::int64_t>(random.below(40));
    Gatherer gatherer;
    const PolicyPlan plan = make_namm_plan(shared(parameters), {.cap = cap}, &gatherer);
    CHECK(plan.traits.takes_budget == cap);
    const Log log = walk(plan, layer, walk_of(parameters, budget));
    const auto expected = walk_namm_naively(
        parameters, layer, cap ? std::optional(static_cast<std::size_t>(budget)) : std::nullopt);
    CAPTURE(round, interval, cap, budget);
    same += compare(expected, gatherer.all);
    updates += expected.size();
    for (const auto& departure : log.departures) victims += departure.positions.size();
  }
  CHECK(same > updates * 9 / 10);
  CHECK(victims > 500);
}

TEST_CASE("weights of zero keep everything", "[unit]") {
  RandomStream random(112);
  const auto layer = random_layer(random, 100, 2, 2, false);
  const auto parameters = zero_namm_parameters(NammVariant::kBam, 32, 32);
  Gatherer gatherer;
  const auto plan = make_namm_plan(shared(parameters), {}, &gatherer);
  CHECK(walk(plan, layer, walk_of(parameters)).departures.empty());
  REQUIRE(gatherer.all.size() == 6);
  CHECK(gatherer.all.back().kept.size() == 96);
  CHECK(gatherer.all.back().scores == std::vector<float>(96, 0.0F));
  // Under a cap all tie, and the oldest leave.
  const auto capped = make_namm_plan(shared(parameters), {.cap = true});
  const Log log = walk(capped, layer, walk_of(parameters, 20));
  REQUIRE(log.departures.size() == 6);
  for (const auto& departure : log.departures) {
    CHECK(departure.positions.back() == departure.step - 20);
  }
}

TEST_CASE("the newest token stays whatever its score", "[unit]") {
  RandomStream random(113);
  const auto layer = random_layer(random, 64, 2, 1, false);
  auto parameters = zero_namm_parameters(NammVariant::kBam, 32, 16);
  parameters.weights.back() = -1;  // the last bias: all scores are -1
  Gatherer gatherer;
  const Log log =
      walk(make_namm_plan(shared(parameters), {}, &gatherer), layer, walk_of(parameters));
  for (const auto& update : gatherer.all) {
    CHECK(update.kept == std::vector<std::int64_t>{update.step});
    CHECK(update.positions.size() == (update.step == 15 ? 16 : 17));
    CHECK(update.scores == std::vector<float>(update.positions.size(), -1.0F));
  }
  for (const double margin : log.margins) CHECK(std::isnan(margin));
}

TEST_CASE("the heads of a layer keep as many as the one that wants most", "[property]") {
  RandomStream random(114);
  int filled = 0;
  for (int round = 0; round < 20; ++round) {
    const auto layer = random_layer(random, 96, 3, 2, false);
    const auto parameters = random_namm(random.next(), 32, 2);
    Gatherer gatherer;
    walk(make_namm_plan(shared(parameters), {}, &gatherer), layer, walk_of(parameters));
    for (std::size_t u = 0; u < gatherer.all.size(); u += 3) {
      std::size_t most = 0;
      for (std::size_t h = 0; h < 3; ++h) {
        const auto& scores = gatherer.all[u + h].scores;
        const auto above =
            std::count_if(scores.begin(), scores.end() - 1, [](float score) { return score >= 0; });
        most = std::max(most, static_cast<std::size_t>(above) + 1);
        filled += static_cast<std::size_t>(above) + 1 < gatherer.all[u + h].kept.size();
      }
      for (std::size_t h = 0; h < 3; ++h) CHECK(gatherer.all[u + h].kept.size() == most);
    }
  }
  CHECK(filled > 10);
}

TEST_CASE("query heads that share a KV head count as their mean", "[property]") {
  RandomStream random(115);
  const auto layer = random_layer(random, 80, 2, 4, true);  // means of such weights are exact
  SimulatedLayer mean{layer.tokens, 2, 1, {}, layer.norms};
  for (std::int64_t query = 0; query < layer.tokens; ++query) {
    for (int head = 0; head < 2; ++head) {
      for (std::int64_t key = 0; key < layer.tokens; ++key) {
        double sum = 0;
        for (int q = 0; q < 4; ++q) sum += layer.weight(query, head * 4 + q, key);
        mean.weights.push_back(sum / 4);
      }
    }
  }
  const auto parameters = random_namm(5, 16, 2);
  const auto plan = make_namm_plan(shared(parameters));
  const auto log = walk(plan, layer, walk_of(parameters));
  CHECK_FALSE(log.departures.empty());
  CHECK(walk(plan, mean, walk_of(parameters)).departures == log.departures);
}

TEST_CASE("namm is asked for by a file or a name", "[unit]") {
  const test::TempDir folder;
  std::filesystem::create_directory(folder / "evolved-1");
  const auto file = folder / "evolved-1" / "namm.json";
  write_namm_file(file, random_namm(6, 64, 1));
  const auto& policies = known_policies();
  const auto by_file = policies.resolve("namm:weights=" + file.string());
  CHECK(by_file.text == "namm:weights=" + file.string());
  CHECK(by_file.content_sha256 == namm_content_sha256(random_namm(6, 64, 1)));
  CHECK(by_file.traits.update_interval == 64);
  CHECK_FALSE(by_file.traits.takes_budget);
  CHECK(by_file.traits.scope == Scope::kKvHead);
  CHECK_NOTHROW(check_setting(by_file, {}, Schedule::parse("block:64"), 1000));
  CHECK_THROWS_WITH(check_setting(by_file, 100, Schedule::parse("block:64"), 1000),
                    Catch::Contains("takes no budget"));
  CHECK_THROWS_WITH(check_setting(by_file, {}, Schedule::parse("exact"), 1000),
                    Catch::Contains("use block:64"));

  const auto message = [&](const std::string& text) {
    try {
      policies.resolve(text);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  CHECK_THAT(message("namm:weights=evolved-1"), Catch::Contains("knows no names"));
  set_namm_folder([&] { return folder.path(); });
  const auto by_name = policies.resolve("namm:cap=true,weights=evolved-1");
  CHECK(by_name.text == "namm:cap=true,weights=evolved-1");
  CHECK(by_name.content_sha256 == by_file.content_sha256);
  CHECK(by_name.traits.takes_budget);
  CHECK_NOTHROW(check_setting(by_name, 100, Schedule::parse("block:64"), 1000));
  CHECK_THAT(message("namm:weights=evolved-2"), Catch::Contains("did you mean 'evolved-1'?"));
  set_namm_folder([&] { return folder / "evolved-1"; });
  CHECK_THAT(message("namm:weights=evolved-1"), Catch::Contains("holds no network"));
  set_namm_folder({});
  CHECK_THAT(message("namm"), Catch::Contains("needs the weights") && Catch::Contains("weights="));
  CHECK_THAT(message("namm:weights=none/namm.json"), Catch::Contains("no such file"));
  CHECK_THAT(message("namm:weights=x,cap=maybe"), Catch::Contains("cap"));
  CHECK_THAT(message("namm:sinks=4"), Catch::Contains("sinks"));
}

TEST_CASE("scores that are no numbers end the evaluation with a reason", "[fault]") {
  RandomStream random(116);
  const auto layer = random_layer(random, 40, 1, 1, false);
  auto parameters = zero_namm_parameters(NammVariant::kMlp, 32, 16);
  std::fill(parameters.weights.begin(), parameters.weights.end(), 1e30F);
  CHECK_THROWS_WITH(walk(make_namm_plan(shared(parameters)), layer, walk_of(parameters)),
                    Catch::Contains("too large for float32"));
}

}  // namespace
}  // namespace lethe::policies
