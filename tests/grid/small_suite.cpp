// SPDX-License-Identifier: Apache-2.0
#include "tests/grid/small_suite.h"

#include "harness/base/text.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::test {

grid::Suite small_suite() {
  grid::Suite suite;
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

std::vector<grid::Cell> cells_of(const grid::Suite& suite, FakeCatalogue catalogue,
                                 const std::string& device) {
  return grid::expand(suite, catalogue, device);
}

std::string expand_error(const grid::Suite& suite, ErrorKind kind, FakeCatalogue catalogue) {
  try {
    grid::expand(suite, catalogue, "cpu");
  } catch (const Error& error) {
    check_kind(error, kind);
    return error.what();
  }
  return "no error";
}

grid::Suite read_with(const std::string& members, const grid::Overrides& overrides) {
  auto suite = parse_json(R"({"name": "quick", "models": ["small"],
      "tasks": [{"name": "pg19", "windows": 1}], "policies": ["full", "tova", "window:sinks=4"],
      "budgets": [64, 128], "lengths": [256]})",
                          "test", ErrorKind::kInternal)
                   .get_object();
  const auto given = parse_json(members, "test", ErrorKind::kInternal);
  for (const auto& member : given.get_object()) {
    suite[member.key()] = member.value();
  }
  TempDir dir;
  write_file_atomically(dir / "suite.json", json::serialize(suite));
  return grid::read_suite(dir / "suite.json", overrides);
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

void check_kind(const Error& error, ErrorKind kind) {
  CHECK(error.kind() == kind);
}

}  // namespace lethe::test
