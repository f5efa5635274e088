// SPDX-License-Identifier: Apache-2.0
// Plugins: twins of built-in policies, and everything that must be refused.
#include <fstream>

#include "harness/base/error.h"
#include "harness/base/state_file.h"
#include "policies/plugin/plugin.h"
#include "tests/policies/simulated_layer.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::policies {
namespace {

using Catch::Matchers::Contains;

std::filesystem::path plugin(const std::string& name) {
  return std::filesystem::path(LETHE_TEST_PLUGINS) / (name + ".so");
}

std::string refusal(const std::filesystem::path& path) {
  try {
    load_plugin(path);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::kPlugin);
    CHECK_THAT(error.what(), Contains(path.filename().string()));
    return error.what();
  }
  return "loaded";
}

TEST_CASE("a twin from outside evicts as the built-in policy, bit for bit", "[property]") {
  load_plugin(plugin("tova_twin"));
  load_plugin(plugin("c_window"));
  const std::pair<std::string, std::string> twins[] = {
      {"tova-twin", "tova"},
      {"tova-twin:sinks=3", "tova:sinks=3"},
      {"tova-twin:scope=head,sinks=2", "tova:scope=head,sinks=2"},
      {"c-window", "window"},
      {"c-window:sinks=4", "window:sinks=4"}};
  for (const auto& [outside, own] : twins) {
    const PolicyPlan twin = known_policies().resolve(outside);
    const PolicyPlan builtin = known_policies().resolve(own);
    CHECK(twin.text == outside);
    CHECK(twin.plugin_sha256.size() == 64);
    CHECK(builtin.plugin_sha256.empty());
    RandomStream random(derive_seed(21, own));
    for (int round = 0; round < 60; ++round) {
      const auto tokens = static_cast<std::int64_t>(20 + random.below(40));
      const SimulatedLayer layer =
          random_layer(random, tokens, 1 + static_cast<int>(random.below(3)),
                       1 + static_cast<int>(random.below(3)), random.below(2) == 0);
      const Walk how = random_walk(random, builtin, tokens);
      CAPTURE(outside, round, how.budget, how.schedule.text());
      const Log found = walk(twin, layer, how), expected = walk(builtin, layer, how);
      CHECK(found.departures == expected.departures);
      if (own.starts_with("window")) continue;  // which has no margins
      REQUIRE(found.margins.size() == expected.margins.size());
      for (std::size_t i = 0; i < found.margins.size(); ++i) {
        CHECK((found.margins[i] == expected.margins[i] ||
               (std::isnan(found.margins[i]) && std::isnan(expected.margins[i]))));
      }
    }
  }
}

TEST_CASE("options of a plugin are read, canonical, and refused in its words", "[unit]") {
  const auto loaded = load_plugin(plugin("sink_tova"));
  CHECK(loaded.policy == "sink-tova");
  CHECK(load_plugin(plugin("sink_tova")).sha256 == loaded.sha256);  // once
  CHECK(known_policies().resolve("sink-tova:decay=0.5").text == "sink-tova");
  CHECK(known_policies().resolve("sink-tova:sinks=2,decay=0.25").text ==
        "sink-tova:decay=0.25,sinks=2");
  CHECK_THROWS_WITH(known_policies().resolve("sink-tova:decay=2"), Contains("below 1"));
  CHECK_THROWS_WITH(known_policies().resolve("sink-tova:decay=much"), Contains("a number"));
  CHECK_THROWS_WITH(known_policies().resolve("sink-tova:dekay=0.1"),
                    Contains("'dekay' is unknown; known: decay"));
  CHECK_THROWS_WITH(known_policies().resolve("sink-tova:scope=head"), Contains("scope"));
}

TEST_CASE("what is no plugin, or one for another host, is refused by name", "[fault]") {
  CHECK_THAT(refusal(plugin("broken_1")), Contains("expected a table of at least"));
  CHECK_THAT(refusal(plugin("broken_2")), Contains("version 1 of the policy interface, found 99"));
  CHECK_THAT(refusal(plugin("broken_3")), Contains("found 'No Name!'"));
  CHECK_THAT(refusal(plugin("broken_4")), Contains("'tova', and there is one of that name"));
  CHECK_THAT(refusal(plugin("broken_5")), Contains("expected the function select"));
  CHECK_THAT(refusal(plugin("broken_6")), Contains("exports lethe_policy_plugin_v1"));
  CHECK_THAT(refusal(plugin("broken_7")), Contains("cannot serve version 1"));
  CHECK_THAT(refusal(plugin("none")), Contains("no such file"));
  const test::TempDir dir;
  std::ofstream(dir / "text.so") << "not a library";
  CHECK_THAT(refusal(dir / "text.so"), Contains("cannot be loaded"));
}

TEST_CASE("a plugin that throws or lies is told what it did", "[fault]") {
  load_plugin(plugin("liar"));
  RandomStream random(5);
  const SimulatedLayer layer = random_layer(random, 40, 1, 2, false);
  Walk how;
  how.budget = 8;
  how.schedule = Schedule::parse("block:4");
  const auto outcome = [&](const std::string& mode) -> std::string {
    try {
      walk(known_policies().resolve("liar:mode=" + mode), layer, how);
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::kPolicy);
      CHECK_THAT(error.what(), Contains("liar:mode=" + mode));
      return error.what();
    }
    return "accepted";
  };
  CHECK(walk(known_policies().resolve("liar"), layer, how).departures ==
        walk(known_policies().resolve("window"), layer, how).departures);
  CHECK_THAT(outcome("throw"), Contains("I will not choose"));
  CHECK_THAT(outcome("throw-int"), Contains("no std::exception"));
  CHECK_THAT(outcome("create"), Contains("no instance today"));
  CHECK_THAT(outcome("traits"), Contains("update interval below 1"));
  CHECK_THAT(outcome("count"), Contains("as many as there are tokens"));
  CHECK_THAT(outcome("range"), Contains("outside the"));
  CHECK_THAT(outcome("twice"), Contains("not strictly ascending"));
  CHECK_THAT(outcome("order"), Contains("not strictly ascending"));
  CHECK_THAT(outcome("few"), Contains("expected 4 victims") && Contains("found 3"));
  CHECK_THAT(outcome("many"), Contains("expected 4 victims") && Contains("found 5"));
  // Pinned tokens are not in its view: no index means one.
  CHECK_THAT(outcome("range,sinks=2"), Contains("outside the"));
  CHECK_THAT(outcome("row"), Contains("expected a row below 1") && Contains("asked for 1"));
  CHECK_THAT(outcome("head"), Contains("expected a query head below 2") && Contains("for -1"));
  CHECK_THAT(outcome("shout"), Contains("!!!"));
}

TEST_CASE("what a plugin saves and shares is checked, and nothing is thrown through it",
          "[fault]") {
  load_plugin(plugin("liar"));
  const auto saved = [](const std::string& mode) {
    const PolicyPlan plan = known_policies().resolve("liar:mode=" + mode);
    StateWriter out;
    plan.make({})->save(out, "p.");
    return StateReader(out.finish("liar"), "liar").get<char>("p.scores");
  };
  CHECK(saved("window") == std::vector<char>{'a', 'b'});
  CHECK_THROWS_WITH(saved("save"),
                    Contains("policy 'liar:mode=save'") && Contains("found a second 'scores'"));
  CHECK(budget_in_layer(known_policies().resolve("liar"), {}, 9) == 9);
  CHECK_THROWS_WITH(budget_in_layer(known_policies().resolve("liar:mode=share"), {}, 9),
                    Contains("policy 'liar:mode=share'") && Contains("share of a budget of 9"));
}

TEST_CASE("a plugin finds empty arrays again", "[unit]") {
  load_plugin(plugin("sink_tova"));
  const PolicyPlan plan = known_policies().resolve("sink-tova");
  // As in the first steps, when all tokens are pinned and none is in view.
  const double none = 0;
  const HeadCache head{{}, {}, AttentionRows(&none, 1, 1, 1, 1, 1, {})};
  const auto policy = plan.make({});
  policy->observe({0, {&head, 1}});
  StateWriter out;
  policy->save(out, "p.");
  const StateReader in(out.finish("sink-tova"), "sink-tova");
  CHECK_NOTHROW(plan.make({})->load(in, "p."));
}

}  // namespace
}  // namespace lethe::policies
