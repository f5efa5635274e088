// SPDX-License-Identifier: Apache-2.0
#include <set>

#include "harness/base/hash.h"
#include "tests/grid/small_suite.h"
#include "tests/support/catch.h"

using namespace lethe;
using namespace lethe::grid;
using namespace lethe::test;

TEST_CASE("a policy without a budget appears once") {
  const auto cells = cells_of(small_suite());
  REQUIRE(cells.size() == 5);
  CHECK(cells[0].label() == "pg19/small/full/length=256/exact/original/float32/seed=0");
  CHECK_FALSE(cells[0].budget);
  CHECK(cells[0].inputs.object().at("budget").is_null());
  CHECK(cells[1].label() == "pg19/small/tova:budget=64/length=256/exact/original/float32/seed=0");
  CHECK(cells[4].label() ==
        "pg19/small/window:sinks=4,budget=128/length=256/exact/original/float32/seed=0");
  CHECK(cells[1].model_path == "/models/small");
  CHECK(cells[1].samples.size() == 3);
  CHECK(json::serialize(cells[1].task_options.get()) == R"({"windows":1})");
  for (const auto& cell : cells) {
    CHECK(cell.key == sha256_hex(lethe::canonical_json(cell.inputs.object())));
    CHECK(canonical_json(cell.inputs) == lethe::canonical_json(cell.inputs.object()));
  }
}

TEST_CASE("the inputs hold everything that may change numbers") {
  const auto cell = cells_of(small_suite())[1];
  std::set<std::string> names;
  for (const auto& member : cell.inputs.object()) names.emplace(member.key());
  CHECK(names == std::set<std::string>{"task", "model", "samples", "policy", "budget", "schedule",
                                       "positions", "length", "dtype", "kv_dtype", "seed",
                                       "device_kind", "rope_angles", "engine_version"});
  CHECK_FALSE(contains(canonical_json(cell.inputs), "/models/"));
  auto longer = small_suite();
  longer.lengths = {32768, 32769};
  const auto cells = cells_of(longer);
  CHECK(cells.front().inputs.object().at("rope_angles") == "hf32");
  CHECK(cells.back().inputs.object().at("rope_angles") == "f64");
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

TEST_CASE("the catalogue is asked about every setting once") {
  auto suite = small_suite();
  suite.models = {"small", "large"};
  suite.dtypes = {"float32", "bfloat16"};
  suite.schedules = {"exact", "block:1", "block:8"};
  suite.policies = {"full", "tova"};
  suite.seeds = {0, 1, 2};
  FakeCatalogue catalogue;
  const auto cells = grid::expand(suite, catalogue, "cuda");
  // Models x dtypes x schedules x (full, tova at two budgets); seeds make no difference.
  CHECK(catalogue.settings.size() == 2 * 2 * 2 * 3);
  CHECK(cells.size() == 3 * catalogue.settings.size());
  for (const auto& setting : catalogue.settings) {
    CHECK(setting.device_kind == "cuda");
    CHECK(setting.length == 256);
    CHECK(setting.budget.has_value() == (setting.policy == "tova"));
    const bool small = setting.kv_numbers == 100;
    CHECK((small || setting.kv_numbers == 1000));
    CHECK(setting.sliding_window == (small ? std::optional<std::int64_t>(32) : std::nullopt));
    CHECK(setting.sliding_numbers == (small ? 40 : 0));
    CHECK(setting.learned_positions == (small ? std::optional<std::int64_t>(4096) : std::nullopt));
  }
  suite.policies = {"window"};
  CHECK_THAT(expand_error(suite, ErrorKind::kConfig),
             Catch::Contains("suite quick: policy window cannot run under block:8"));
}

TEST_CASE("grids that cannot run are refused before any work") {
  const auto refused = [](auto&& change, ErrorKind kind = ErrorKind::kConfig) {
    Suite suite = small_suite();
    change(suite);
    return expand_error(suite, kind);
  };
  const auto schedule = refused([](Suite& s) { s.schedules = {"exact", "prompt-only"}; });
  CHECK(contains(schedule, "schedule 'prompt-only' is unknown"));
  CHECK(contains(schedule, "known: exact"));
  CHECK(contains(refused([](Suite& s) { s.positions = {"relative"}; }), "known: original"));
  CHECK(contains(refused([](Suite& s) { s.kv_dtypes = {"int9"}; }), "did you mean 'int8'?"));
  CHECK(contains(refused([](Suite& s) { s.dtypes = {"float23"}; }), "did you mean 'float32'?"));
  CHECK(contains(refused([](Suite& s) { s.budgets.clear(); }), "policy tova needs a budget"));
  CHECK(contains(refused([](Suite& s) { s.policies = {"tovva"}; }, ErrorKind::kPolicy),
                 "did you mean 'tova'?"));
  CHECK(contains(refused([](Suite& s) { s.models = {"smal"}; }, ErrorKind::kModel),
                 "did you mean 'small'?"));
  FakeCatalogue empty;
  empty.samples_per_task = 0;
  CHECK(contains(expand_error(small_suite(), ErrorKind::kConfig, empty), "has no samples"));

  Suite no_budget = small_suite();
  no_budget.policies = {"full"};
  no_budget.budgets.clear();
  CHECK(cells_of(no_budget).size() == 1);
}
