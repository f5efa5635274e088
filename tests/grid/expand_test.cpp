// SPDX-License-Identifier: Apache-2.0
#include <functional>
#include <set>

#include "harness/base/error.h"
#include "harness/base/hash.h"
#include "harness/base/seed.h"
#include "harness/grid/suite.h"
#include "tests/grid/fake_catalogue.h"
#include "tests/support/catch.h"

using namespace lethe;
using namespace lethe::grid;
using lethe::test::FakeCatalogue;

namespace {

Suite small_suite() {
  Suite suite;
  suite.name = "quick";
  suite.models = {"small"};
  suite.tasks = {{"pg19", {{"windows", 1}}}};
  suite.policies = {"full", "tova", "window:sinks=4"};
  suite.budgets = {64, 128};
  suite.lengths = {256};
  suite.schedules = {"exact"};
  suite.positions = {"original"};
  suite.dtypes = {"float32"};
  suite.kv_dtypes = {"same"};
  suite.seeds = {0};
  return suite;
}

std::vector<Cell> cells_of(const Suite& suite, FakeCatalogue catalogue = {},
                           const std::string& device = "cpu") {
  return expand(suite, catalogue, device);
}

std::string error_of(const Suite& suite, ErrorKind kind, FakeCatalogue catalogue = {}) {
  try {
    expand(suite, catalogue, "cpu");
  } catch (const Error& error) {
    CHECK(error.kind() == kind);
    return error.what();
  }
  return "no error";
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

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

}  // namespace

TEST_CASE("a policy without a budget appears once") {
  const auto cells = cells_of(small_suite());
  REQUIRE(cells.size() == 5);
  CHECK(cells[0].label() == "pg19/small/full/length=256/exact/original/float32/seed=0");
  CHECK_FALSE(cells[0].budget);
  CHECK(cells[0].inputs.at("budget").is_null());
  CHECK(cells[1].label() == "pg19/small/tova:budget=64/length=256/exact/original/float32/seed=0");
  CHECK(cells[4].label() ==
        "pg19/small/window:sinks=4,budget=128/length=256/exact/original/float32/seed=0");
  CHECK(cells[1].model_path == "/models/small");
  CHECK(cells[1].samples.size() == 3);
  CHECK(json::serialize(cells[1].task_options) == R"({"windows":1})");
  for (const auto& cell : cells) CHECK(cell.key == sha256_hex(canonical_json(cell.inputs)));
}

TEST_CASE("the inputs hold everything that may change numbers") {
  const auto cell = cells_of(small_suite())[1];
  std::set<std::string> names;
  for (const auto& member : cell.inputs) names.emplace(member.key());
  CHECK(names == std::set<std::string>{"task", "model", "samples", "policy", "budget", "schedule",
                                       "positions", "length", "dtype", "kv_dtype", "seed",
                                       "device_kind", "rope_angles", "engine_version"});
  CHECK_FALSE(contains(canonical_json(cell.inputs), "/models/"));
  auto longer = small_suite();
  longer.lengths = {32768, 32769};
  const auto cells = cells_of(longer);
  CHECK(cells.front().inputs.at("rope_angles") == "hf32");
  CHECK(cells.back().inputs.at("rope_angles") == "f64");
}

TEST_CASE("changing any input changes the key") {
  const auto base = cells_of(small_suite())[1].key;
  const std::vector<std::pair<const char*, std::function<void(Suite&, FakeCatalogue&)>>> changes = {
      {"model", [](auto& suite, auto&) { suite.models = {"large"}; }},
      {"weights",
       [](auto&, auto& catalogue) { catalogue.model_identity["weights_sha256"] = "ab"; }},
      {"task", [](auto& suite, auto&) { suite.tasks[0].first = "other"; }},
      {"task option", [](auto& suite, auto&) { suite.tasks[0].second["windows"] = 2; }},
      {"task version", [](auto&, auto& catalogue) { catalogue.task_identity["version"] = 2; }},
      {"samples", [](auto&, auto& catalogue) { catalogue.samples_per_task = 4; }},
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
  // And of the inputs as such, every member, also those with one accepted value so far.
  const auto inputs = cells_of(small_suite())[1].inputs;
  for (const auto& member : inputs) {
    auto changed = inputs;
    changed[member.key()] = "changed";
    CHECK(keys.insert(sha256_hex(canonical_json(changed))).second);
  }
}

TEST_CASE("what is no input does not change the key") {
  Suite suite = small_suite();
  suite.name = "renamed";
  suite.title = "Other";
  suite.sha256 = "ff";
  CHECK(cells_of(suite)[1].key == cells_of(small_suite())[1].key);
  const auto inputs = cells_of(suite)[1].inputs;
  CHECK(canonical_json(reversed(inputs)) == canonical_json(inputs));
  const auto text = canonical_json(inputs);
  CHECK(canonical_json(parse_json(text, "test", ErrorKind::kInternal)) == text);
}

TEST_CASE("no two cells of a random grid share a key") {
  RandomStream random(7);
  const std::vector<std::string> policies{"full",           "tova",   "tova-layer",
                                          "window:sinks=1", "window", "window:sinks=11"};
  for (int round = 0; round < 20; ++round) {
    Suite suite = small_suite();
    suite.models = {"small", "large"};
    suite.policies.clear();
    for (const auto& policy : policies) {
      if (random.below(2)) suite.policies.push_back(policy);
    }
    if (suite.policies.empty()) suite.policies = {"full"};
    suite.budgets = {1 + static_cast<std::int64_t>(random.below(50)), 111, 1111};
    suite.lengths = {11, 111, 1111};
    suite.dtypes = {"float32", "bfloat16", "float64"};
    suite.seeds = {0, 1, 11};
    const auto cells = cells_of(suite);
    std::set<std::string> keys, labels, samples;
    std::size_t n_samples = 0;
    for (const auto& cell : cells) {
      keys.insert(cell.key);
      labels.insert(cell.label());
      for (const auto& sample : cell.samples) {
        samples.insert(sample_key(cell.key, sample.hash));
        ++n_samples;
      }
    }
    CHECK(keys.size() == cells.size());
    CHECK(labels.size() == cells.size());
    CHECK(samples.size() == n_samples);
  }
}

TEST_CASE("aliases give one cell") {
  Suite suite = small_suite();
  suite.policies = {"tova", "tova-layer"};
  CHECK(cells_of(suite).size() == 2);
}

TEST_CASE("cells of one model, task and length are neighbours") {
  Suite suite = small_suite();
  suite.models = {"small", "large"};
  suite.tasks.push_back({"other", {}});
  suite.lengths = {128, 256};
  std::vector<std::string> groups;
  for (const auto& cell : cells_of(suite)) {
    const auto group = cell.model + cell.task + std::to_string(cell.length);
    if (groups.empty() || groups.back() != group) groups.push_back(group);
  }
  CHECK(groups.size() == 8);
}

TEST_CASE("grids that cannot run are refused before any work") {
  const auto refused = [](auto&& change, ErrorKind kind = ErrorKind::kConfig) {
    Suite suite = small_suite();
    change(suite);
    return error_of(suite, kind);
  };
  const auto schedule = refused([](Suite& s) { s.schedules = {"exact", "block:8"}; });
  CHECK(contains(schedule, "schedule 'block:8' is unknown"));
  CHECK(contains(schedule, "known: exact"));
  CHECK(contains(refused([](Suite& s) { s.positions = {"cache-relative"}; }), "known: original"));
  CHECK(contains(refused([](Suite& s) { s.kv_dtypes = {"int8"}; }), "known: same"));
  CHECK(contains(refused([](Suite& s) { s.dtypes = {"float23"}; }), "did you mean 'float32'?"));
  CHECK(contains(refused([](Suite& s) { s.budgets.clear(); }), "policy tova needs a budget"));
  CHECK(contains(refused([](Suite& s) { s.policies = {"tovva"}; }, ErrorKind::kPolicy),
                 "did you mean 'tova'?"));
  CHECK(contains(refused([](Suite& s) { s.models = {"smal"}; }, ErrorKind::kModel),
                 "did you mean 'small'?"));
  FakeCatalogue empty;
  empty.samples_per_task = 0;
  CHECK(contains(error_of(small_suite(), ErrorKind::kConfig, empty), "has no samples"));

  Suite no_budget = small_suite();
  no_budget.policies = {"full"};
  no_budget.budgets.clear();
  CHECK(cells_of(no_budget).size() == 1);
}
