// SPDX-License-Identifier: Apache-2.0
// Properties of cell keys: everything that may change numbers is in the key, nothing else is, and
// no two cells share one.
#include <algorithm>
#include <chrono>
#include <functional>
#include <set>
#include <thread>

#include "harness/base/hash.h"
#include "harness/base/seed.h"
#include "tests/grid/small_suite.h"
#include "tests/support/catch.h"

using namespace lethe;
using namespace lethe::grid;
using namespace lethe::test;

namespace {

// The same value with the members of every object in reverse order.
json::value reversed(const json::value& value) {
  if (!value.is_object()) return value;
  json::object out;
  const auto& object = value.get_object();
  for (auto member = object.end(); member != object.begin();) {
    --member;
    out[member->key()] = reversed(member->value());
  }
  return out;
}

// Calls `use` with copies of `value` in each of which one value, at any depth, is another.
void for_each_change(const json::value& value, const std::function<void(json::value)>& use) {
  if (value.is_object()) {
    for (const auto& member : value.get_object()) {
      for_each_change(member.value(), [&](json::value changed) {
        json::object copy = value.get_object();
        copy[member.key()] = std::move(changed);
        use(std::move(copy));
      });
      json::object without = value.get_object();
      without.erase(member.key());
      use(std::move(without));
    }
  } else if (value.is_int64()) {
    use(value.get_int64() + 1);
    use(json::value(std::to_string(value.get_int64())));
  } else {
    use("changed");
  }
}

std::string key_of(const json::value& inputs) {
  return sha256_hex(lethe::canonical_json(inputs));
}

// A random part of `all`, never empty.
template <typename T>
std::vector<T> some_of(const std::vector<T>& all, RandomStream& random) {
  std::vector<T> out;
  for (const auto& value : all) {
    if (random.below(2)) out.push_back(value);
  }
  if (out.empty()) out.push_back(all[random.below(all.size())]);
  return out;
}

// Axes whose values are prefixes of each other, so that keys that joined them would clash.
Suite random_suite(RandomStream& random) {
  Suite suite = small_suite();
  suite.models = some_of<std::string>({"small", "large"}, random);
  suite.tasks = some_of<TaskChoice>(
      {{"pg19", {}}, {"pg1", {}}, {"pg1", {{"n", 9}}}, {"pg1", {{"n", "9"}}}}, random);
  suite.policies = some_of<std::string>(
      {"full", "tova", "tova-layer", "window", "window:sinks=1", "window:sinks=11"}, random);
  suite.budgets = some_of<std::int64_t>({1, 11, 111, 1111}, random);
  suite.lengths = some_of<std::int64_t>({11, 111, 1111, 32769}, random);
  suite.dtypes = some_of<std::string>({"float32", "bfloat16", "float64"}, random);
  suite.seeds = some_of<std::int64_t>({0, 1, 11}, random);
  return suite;
}

}  // namespace

TEST_CASE("changing any input changes the key") {
  const auto base = cells_of(small_suite())[1].key;
  using Change = std::function<void(Suite&, FakeCatalogue&)>;
  const std::vector<std::pair<const char*, Change>> changes = {
      {"model", [](auto& suite, auto&) { suite.models = {"large"}; }},
      {"weights",
       [](auto&, auto& catalogue) { catalogue.model_identity["weights_sha256"] = "ab"; }},
      {"quantisation",
       [](auto&, auto& catalogue) { catalogue.model_identity["quantisation"] = "Q8_0"; }},
      {"more of a model", [](auto&, auto& catalogue) { catalogue.model_identity["new"] = 1; }},
      {"task", [](auto& suite, auto&) { suite.tasks[0].first = "other"; }},
      {"task option", [](auto& suite, auto&) { suite.tasks[0].second["windows"] = 2; }},
      {"task version", [](auto&, auto& catalogue) { catalogue.task_identity["version"] = 2; }},
      {"samples", [](auto&, auto& catalogue) { catalogue.samples_per_task = 4; }},
      {"policy's files", [](auto&, auto& catalogue) { catalogue.policy_content_sha256 = "ef"; }},
      {"chat template", [](auto&, auto& catalogue) { catalogue.chat_template_sha256 = "cd"; }},
      {"sample id", [](auto&, auto& catalogue) { catalogue.id_suffix = "x"; }},
      {"sample content", [](auto&, auto& catalogue) { catalogue.content = "x"; }},
      {"sample cluster", [](auto&, auto& catalogue) { catalogue.cluster_suffix = "x"; }},
      {"policy", [](auto& suite, auto&) { suite.policies[1] = "window"; }},
      {"budget", [](auto& suite, auto&) { suite.budgets[0] = 65; }},
      {"length", [](auto& suite, auto&) { suite.lengths = {257}; }},
      {"dtype", [](auto& suite, auto&) { suite.dtypes = {"bfloat16"}; }},
      {"seed", [](auto& suite, auto&) { suite.seeds = {1}; }},
  };
  std::set<std::string> keys{base, cells_of(small_suite(), {}, "cuda")[1].key};
  CHECK(keys.size() == 2);
  for (const auto& [name, change] : changes) {
    INFO(name);
    Suite suite = small_suite();
    FakeCatalogue catalogue;
    change(suite, catalogue);
    CHECK(keys.insert(cells_of(suite, catalogue)[1].key).second);
  }
}

TEST_CASE("files that one policy names are in the keys of its cells alone") {
  FakeCatalogue other;
  other.policy_content_sha256 = "ef";
  const auto before = cells_of(small_suite()), after = cells_of(small_suite(), other);
  REQUIRE(before.size() == after.size());
  for (std::size_t i = 0; i < before.size(); ++i) {
    CHECK((before[i].key != after[i].key) == (after[i].policy == "tova"));
  }
}

TEST_CASE("changing or dropping any member of the inputs, at any depth, changes the key") {
  for (const auto& cell : cells_of(small_suite())) {
    const json::object inputs = cell.inputs;
    REQUIRE(key_of(inputs) == cell.key);
    std::set<std::string> keys{cell.key};
    int changes = 0;
    for_each_change(inputs, [&](const json::value& changed) {
      ++changes;
      INFO(json::serialize(changed));
      CHECK(keys.insert(key_of(changed)).second);
    });
    CHECK(changes > 30);
  }
}

TEST_CASE("what is no input does not change the key") {
  Suite suite = small_suite();
  suite.name = "renamed";
  suite.title = "Other";
  suite.sha256 = "ff";
  const auto cell = cells_of(suite)[1];
  CHECK(cell.key == cells_of(small_suite())[1].key);
  const json::object inputs = cell.inputs;
  CHECK(key_of(reversed(inputs)) == cell.key);
  CHECK(key_of(parse_json(canonical_json(cell.inputs), "test", ErrorKind::kInternal)) == cell.key);
  // Nor does how the grid that holds the cell came about.
  const auto other = cells_of(read_with(
      R"({"policies": ["window", "tova-layer"], "budgets": [1, 2],
          "overrides": [{"when": {"policies": ["tova"]}, "set": {"budgets": [64]}}],
          "exclude": [{"policies": ["window"]}]})"));
  REQUIRE(other.size() == 1);
  CHECK(other[0].key == cell.key);
}

TEST_CASE("no two cells of a random grid share a key") {
  RandomStream random(7);
  for (int round = 0; round < 30; ++round) {
    const auto cells = cells_of(random_suite(random));
    std::set<std::string> keys, inputs, samples;
    std::size_t n_samples = 0;
    for (const auto& cell : cells) {
      keys.insert(cell.key);
      inputs.insert(canonical_json(cell.inputs));
      CHECK(cell.key == key_of(cell.inputs.object()));
      for (const auto& sample : cell.samples) {
        samples.insert(sample_key(cell.key, sample.hash));
        ++n_samples;
      }
    }
    CHECK(keys.size() == cells.size());
    CHECK(inputs.size() == cells.size());
    CHECK(samples.size() == n_samples);
  }
}

TEST_CASE("expansion is deterministic, and the order of values changes no key") {
  RandomStream random(11);
  for (int round = 0; round < 10; ++round) {
    Suite suite = random_suite(random);
    const auto first = cells_of(suite);
    const auto second = cells_of(suite);
    REQUIRE(first.size() == second.size());
    std::set<std::string> keys;
    for (std::size_t i = 0; i < first.size(); ++i) {
      CHECK(first[i].key == second[i].key);
      CHECK(first[i].label() == second[i].label());
      keys.insert(first[i].key);
    }
    std::reverse(suite.budgets.begin(), suite.budgets.end());
    std::reverse(suite.policies.begin(), suite.policies.end());
    std::reverse(suite.models.begin(), suite.models.end());
    std::set<std::string> turned;
    for (const auto& cell : cells_of(suite)) turned.insert(cell.key);
    CHECK(turned == keys);
  }
}

TEST_CASE("cells of one group share their samples") {
  const auto cells = cells_of(small_suite());
  for (const auto& cell : cells) CHECK(&cell.samples.get() == &cells[0].samples.get());
}

TEST_CASE("a grid of 100,000 cells expands at once") {
  Suite suite = small_suite();
  suite.policies = {"tova", "window"};
  suite.budgets = expand_range("1..500", "");
  suite.lengths = expand_range("100..109", "");
  suite.seeds = expand_range("0..9", "");
  FakeCatalogue catalogue;
  catalogue.samples_per_task = 1000;
  const auto start = std::chrono::steady_clock::now();
  const auto cells = expand(suite, catalogue, "cpu");
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  CHECK(cells.size() == 100'000);
  // Under a second in a release build; sanitizers take several times as long.
  CHECK(seconds.count() < 10);
}
