// SPDX-License-Identifier: Apache-2.0
// Decisions worked out by hand, one text of a few tokens for each policy.
#include <cmath>

#include "tests/policies/simulated_layer.h"
#include "tests/support/catch.h"

namespace lethe::policies {
namespace {

using Departures = std::vector<Departure>;

Log run(const std::string& spec, const SimulatedLayer& layer, std::int64_t budget,
        const std::string& schedule = "exact", std::int64_t prompt = 0) {
  const PolicyPlan plan = known_policies().resolve(spec);
  Walk how;
  how.schedule = Schedule::parse(schedule);
  how.schedule.prompt = prompt;
  how.budget = budget;
  check_budget(plan, budget);
  check_schedule(plan, how.schedule);
  return walk(plan, layer, how);
}

TEST_CASE("l2 takes the largest norm, the oldest of those within 1e-5 of it", "[unit]") {
  // Token 1 is the largest. Then token 3 is, and token 0 is within 1e-5 of it and older.
  const SimulatedLayer layer = layer_of({}, {3.99998, 5, 1, 4, 2});
  const Log log = run("l2", layer, 2);
  CHECK(log.departures == Departures{{2, 0, {1}}, {3, 0, {0}}, {4, 0, {3}}});
  // Thresholds 5 − 5e-5, 4 − 4e-5 (token 0 lies 2e-5 above) and 4 − 4e-5 (token 4 at 2).
  CHECK(log.margins[0] == Approx(5 * (1 - 1e-5) - 3.99998).epsilon(1e-9));
  CHECK(log.margins[1] == Approx(2e-5).epsilon(1e-6));
  CHECK(log.margins[2] == Approx(4 * (1 - 1e-5) - 2).epsilon(1e-9));
}

TEST_CASE("l2 repeats its rule for several victims at a cut", "[unit]") {
  // One cut of five: 4 (alone), then 8 with 0 tied: 0 goes, then 3; of 1 and 2 the older.
  const SimulatedLayer layer = layer_of({}, {7.99996, 1, 1, 8, 9, 0.5});
  CHECK(run("l2", layer, 2, "block:6").departures == Departures{{5, 0, {0, 1, 3, 4}}});
  CHECK(run("l2", layer, 3, "block:6").departures == Departures{{5, 0, {0, 3, 4}}});
  CHECK(run("l2", layer, 4, "block:6").departures == Departures{{5, 0, {0, 4}}});
  CHECK(run("l2:sinks=1", layer, 4, "block:6").departures == Departures{{5, 0, {3, 4}}});
}

TEST_CASE("l2 has no margin where nothing else could leave", "[unit]") {
  SimulatedLayer layer = layer_of({}, {1, 2});
  CHECK(run("l2", layer, 1).margins.at(0) == Approx(2 * (1 - 1e-5) - 1));
  const PolicyPlan plan = known_policies().resolve("l2");
  const double norm = 1;
  const std::int64_t position = 0;
  HeadCache head;
  head.positions = {&position, 1};
  head.key_norms = {&norm, 1};
  EvictionPlan victims;
  victims.reset(1);
  plan.make({})->select({0, {&head, 1}}, 0, victims);
  CHECK(std::isnan(victims.margin[0]));
}

TEST_CASE("l2 by layer takes the largest mean norm", "[unit]") {
  SimulatedLayer layer = layer_of({{1}, {1, 1}, {1, 1, 1}});
  layer.kv_heads = 2;
  layer.weights.assign(18, 0.0);
  layer.norms = {1, 2, 5, /* second KV head */ 9, 2, 4};
  CHECK(run("l2", layer, 2).departures == Departures{{2, 0, {2}}, {2, 1, {0}}});
  CHECK(run("l2-layer", layer, 2).departures == Departures{{2, 0, {0}}});  // 5, 2, 4.5
}

TEST_CASE("tova with keep_current never takes the newest token", "[unit]") {
  const SimulatedLayer layer = layer_of({{1}, {.5, .5}, {.6, .3, .1}, {.2, .1, .6, .1}});
  CHECK(run("tova", layer, 2).departures == Departures{{2, 0, {2}}, {3, 0, {1}}});
  CHECK(run("tova:keep_current=true", layer, 2).departures == Departures{{2, 0, {1}}, {3, 0, {0}}});
  // As TOVAPress: one cut by the last query, the last token above all others.
  CHECK(run("tova:keep_current=true", layer, 2, "prefill-only", 4).departures ==
        Departures{{3, 0, {0, 1}}});
  CHECK(run("tova:keep_current=true", layer, 1, "prefill-only", 4).departures ==
        Departures{{3, 0, {0, 1, 2}}});
}

TEST_CASE("snapkv pools the window's attention and keeps the window", "[unit]") {
  // Seven tokens, the last two are the window. Means of their rows over tokens 0 … 4:
  // .2 .0 .4 .0 .1; sums of three with zeros beyond the ends: .2 .6 .4 .5 .1.
  const SimulatedLayer layer =
      layer_of({{}, {}, {}, {}, {}, {.1, 0, .5, 0, .1, .3}, {.3, 0, .3, 0, .1, 0, .3}});
  CHECK(run("snapkv:kernel=3,window=2", layer, 5, "prefill-only", 7).departures ==
        Departures{{6, 0, {0, 4}}});
  CHECK(run("snapkv:kernel=3,window=2", layer, 3, "prefill-only", 7).departures ==
        Departures{{6, 0, {0, 2, 3, 4}}});
  const Log log = run("snapkv:kernel=3,window=2", layer, 4, "prefill-only", 7);
  CHECK(log.departures == Departures{{6, 0, {0, 2, 4}}});
  CHECK(log.margins[0] == Approx(.1 / 3));  // .5 and .4, over three
  // Maxima of three: .2 .4 .4 .4 .1; ties go to the oldest.
  CHECK(run("snapkv:kernel=3,pool=max,window=2", layer, 4, "prefill-only", 7).departures ==
        Departures{{6, 0, {0, 1, 4}}});
  // Without smoothing .2 .0 .4 .0 .1.
  CHECK(run("snapkv:kernel=1,window=2", layer, 4, "prefill-only", 7).departures ==
        Departures{{6, 0, {1, 3, 4}}});
}

TEST_CASE("observed divides by the queries that could see a token", "[unit]") {
  // At token 2 the sums are 2.0, .7, .3 over 3, 2, 1 queries: .67, .35, .30.
  // At token 3 without token 2: 2.1/4, .8/3, .5/1.
  const SimulatedLayer layer = layer_of({{1}, {.7, .3}, {.3, .4, .3}, {.1, .1, .3, .5}});
  const Log log = run("observed", layer, 2);
  CHECK(log.departures == Departures{{2, 0, {2}}, {3, 0, {1}}});
  CHECK(log.margins[0] == Approx(.05));
  CHECK(run("h2o", layer, 2).departures == Departures{{2, 0, {1}}, {3, 0, {2}}});
  CHECK(run("observed", layer, 2, "prefill-only", 4).departures == Departures{{3, 0, {1, 2}}});
}

TEST_CASE("h2o-oracle knows what later queries look at", "[unit]") {
  // Column sums over all queries: 1.8, .3, 2.6, .3, .8, .2. Of four places two are heavy: 0 and 2.
  const SimulatedLayer layer = layer_of(
      {{1}, {.8, .2}, {0, .1, .9}, {0, 0, .9, .1}, {0, 0, .4, .1, .5}, {0, 0, .4, .1, .3, .2}});
  const Log log = run("h2o-oracle", layer, 4);
  // Two are recent. Nothing leaves early because a heavy place is free: that place is not filled.
  CHECK(log.departures == Departures{{3, 0, {1}}, {5, 0, {3}}});
  CHECK(std::isnan(log.margins[0]));
  // With one place there is none for heavy tokens; with two, it is token 2's before it came.
  CHECK(run("h2o-oracle", layer, 1).departures ==
        Departures{{1, 0, {0}}, {2, 0, {1}}, {3, 0, {2}}, {4, 0, {3}}, {5, 0, {4}}});
  CHECK(run("h2o-oracle", layer, 2).departures ==
        Departures{{1, 0, {0}}, {2, 0, {1}}, {4, 0, {3}}, {5, 0, {4}}});
}

TEST_CASE("h2o-oracle gives the heavy place to the newest of the tied", "[unit]") {
  const SimulatedLayer layer = layer_of({{.5}, {.5, .5}, {0, .5, .1}, {0, 0, .2, .1}});
  CHECK(run("h2o-oracle", layer, 2).departures == Departures{{1, 0, {0}}, {3, 0, {2}}});
}

TEST_CASE("h2o-oracle refuses to guess what it was not shown", "[fault]") {
  const PolicyPlan plan = known_policies().resolve("h2o-oracle");
  const std::vector<std::int64_t> positions = {0, 1, 2};
  HeadCache head;
  head.positions = positions;
  const CacheView view{2, {&head, 1}};
  EvictionPlan victims;
  victims.reset(1);
  const auto policy = plan.make({});
  CHECK_THROWS_AS(policy->select(view, 2, victims), Error);
  const std::vector<std::vector<double>> shorter = {{1.0}};
  policy->preview(shorter);
  CHECK_THROWS_AS(policy->select(view, 1, victims), Error);
}

TEST_CASE("truncate drops everything after each chunk", "[unit]") {
  const SimulatedLayer layer = layer_of({}, {1, 1, 1, 1, 1, 1, 1, 1});
  const Log log = run("truncate", layer, 3);
  CHECK(log.departures == Departures{{2, 0, {0, 1, 2}}, {5, 0, {3, 4, 5}}});
  CHECK(log.most_live == 3);
  CHECK(run("truncate", layer, 1).departures.size() == 8);
}

TEST_CASE("pyramidkv gives low layers more and the same in all", "[unit]") {
  const auto budgets = [](const std::string& spec, int n_layers, std::int64_t budget) {
    const PolicyPlan plan = known_policies().resolve(spec);
    std::vector<std::int64_t> found;
    for (int layer = 0; layer < n_layers; ++layer) {
      LayerContext context;
      context.layer = layer;
      context.n_layers = n_layers;
      found.push_back(plan.layer_budget(context, budget));
    }
    return found;
  };
  // low = 100/10 = 10, high = 190, four steps of 45.
  CHECK(budgets("pyramidkv:beta=10,window=8", 5, 100) ==
        std::vector<std::int64_t>{190, 145, 100, 55, 10});
  // 100/20 is less than the window: as snapkv.
  CHECK(budgets("pyramidkv:window=8", 5, 100) == std::vector<std::int64_t>(5, 100));
  CHECK(budgets("pyramidkv:beta=1,window=8", 3, 100) == std::vector<std::int64_t>(3, 100));
  CHECK(budgets("pyramidkv:beta=2,window=8", 1, 100) == std::vector<std::int64_t>{100});
  RandomStream random(31);
  for (int round = 0; round < 100; ++round) {
    const int n_layers = 1 + static_cast<int>(random.below(40));
    const auto budget = static_cast<std::int64_t>(9 + random.below(3000));
    const auto beta = std::to_string(1 + random.below(30));
    std::int64_t total = 0;
    for (const std::int64_t kept : budgets("pyramidkv:window=8,beta=" + beta, n_layers, budget)) {
      CHECK(kept >= 8);
      total += kept;
    }
    CHECK(std::abs(total - n_layers * budget) <= (n_layers + 1) / 2);
  }
}

}  // namespace
}  // namespace lethe::policies
