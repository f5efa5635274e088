// SPDX-License-Identifier: Apache-2.0
// What must hold for every registered policy. A new one joins by being registered.
#include <cmath>
#include <cstring>
#include <map>

#include "policies/plugin/plugin.h"
#include "tests/policies/namm_reference.h"
#include "tests/support/catch.h"

namespace lethe::policies {
namespace {

/// Policies to try: every name as it stands, every other scope, and what stands here. A name that
/// needs options to make sense on a short text is given them here.
std::vector<std::string> specs() {
  const std::map<std::string, std::vector<std::string>> examples = {
      {"window", {"window", "window:sinks=2"}},
      {"tova", {"tova", "tova:keep_current=true", "tova:scope=head,sinks=3"}},
      {"l2", {"l2", "l2:sinks=1"}},
      {"snapkv", {"snapkv:window=4", "snapkv:kernel=7,pool=max,window=3", "snapkv:window=1"}},
      {"pyramidkv", {"pyramidkv:window=4"}},
      {"namm",
       {"namm:weights=" + random_namm_file(1), "namm:cap=true,weights=" + random_namm_file(2)}},
  };
  // Policies from outside keep the same rules.
  for (const char* plugin : {"tova_twin", "sink_tova", "c_window"}) {
    load_plugin(std::string(LETHE_TEST_PLUGINS) + "/" + plugin + ".so");
  }
  std::vector<std::string> found;
  for (const PolicyInfo& info : known_policies().list()) {
    const auto given = examples.find(info.name);
    const auto names =
        given == examples.end() ? std::vector<std::string>{info.name} : given->second;
    // (The memory of a recurrent model is no cache, and has no instances.)
    if (known_policies().resolve(names.front()).traits.recurrent) continue;
    found.insert(found.end(), names.begin(), names.end());
    for (const std::string& help : info.option_help) {
      if (!help.starts_with("scope=")) continue;
      const PolicyPlan plan = known_policies().resolve(names.front());
      const bool layer = plan.traits.scope == Scope::kLayer;
      found.push_back(names.front() + (names.front().find(':') == std::string::npos ? ":" : ",") +
                      (layer ? "scope=head" : "scope=layer"));
    }
  }
  return found;
}

/// Temporary files have another name in every run, which must not seed anything.
std::string without_path(const std::string& spec) {
  return spec.substr(0, spec.find("weights="));
}

bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0);
}

TEST_CASE("every policy gives valid plans, repeats itself, and goes on from a saved state",
          "[property]") {
  for (const std::string& spec : specs()) {
    const PolicyPlan plan = known_policies().resolve(spec);
    CHECK(known_policies().resolve(plan.text).text == plan.text);
    RandomStream random(derive_seed(11, without_path(spec)));
    std::size_t departures = 0;
    for (int round = 0; round < 40; ++round) {
      const auto tokens = static_cast<std::int64_t>(20 + random.below(30));
      const SimulatedLayer layer =
          random_layer(random, tokens, 1 + static_cast<int>(random.below(3)),
                       1 + static_cast<int>(random.below(4)), random.below(2) == 0);
      Walk how = random_walk(random, plan, tokens);
      CAPTURE(spec, round, tokens, how.budget, how.schedule.text(), how.schedule.block);
      const Log log = walk(plan, layer, how);  // checks the plans
      departures += log.departures.size();
      if (plan.traits.takes_budget) {
        CHECK(log.most_live <= how.schedule.most_live(how.budget, tokens));
      }
      if (plan.traits.takes_budget && plan.traits.fixed_size) {
        CHECK(log.most_live == how.schedule.most_live(how.budget, tokens));
      }
      CHECK(walk(plan, layer, how).departures == log.departures);
      how.resume_at =
          1 + static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(tokens - 1)));
      const Log resumed = walk(plan, layer, how);
      CHECK(resumed.departures == log.departures);
      CHECK(same_bits(resumed.margins, log.margins));
      for (const double margin : log.margins) CHECK_FALSE(margin < 0);
    }
    CHECK((departures > 0) == (spec != "full"));
  }
}

TEST_CASE("a budget as long as the text takes nothing away", "[property]") {
  for (const std::string& spec : specs()) {
    if (spec.starts_with("namm")) continue;  // drops what it thinks little of, under any budget
    const PolicyPlan plan = known_policies().resolve(spec);
    RandomStream random(derive_seed(12, spec));
    const SimulatedLayer layer = random_layer(random, 30, 2, 2, false);
    Walk how = random_walk(random, plan, 30);
    how.budget = 30;
    if (spec == "truncate") ++how.budget;  // a chunk of the whole text would end with a drop
    if (spec.starts_with("h2o-oracle")) how.budget *= 2;  // half of it is for heavy tokens alone
    CAPTURE(spec);
    CHECK(walk(plan, layer, how).departures.empty());
  }
}

TEST_CASE("scope=layer and scope=head agree where there is one KV head", "[property]") {
  const std::string spec =
      GENERATE("tova", "h2o", "observed", "l2", "snapkv:window=3", "h2o-oracle");
  const std::string with = spec + (spec.find(':') == std::string::npos ? ":" : ",");
  const PolicyPlan layer_plan = known_policies().resolve(with + "scope=layer");
  const PolicyPlan head_plan = known_policies().resolve(with + "scope=head");
  RandomStream random(derive_seed(13, spec));
  for (int round = 0; round < 20; ++round) {
    const SimulatedLayer layer = random_layer(random, 30, 1, 3, round % 2 == 0);
    const Walk how = random_walk(random, layer_plan, 30);
    CHECK(walk(layer_plan, layer, how).departures == walk(head_plan, layer, how).departures);
  }
}

}  // namespace
}  // namespace lethe::policies
