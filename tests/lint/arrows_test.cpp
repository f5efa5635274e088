// SPDX-License-Identifier: Apache-2.0
#include "tests/lint/arrows.h"

#include "harness/base/error.h"
#include "harness/base/text.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::test {
namespace {

Arrows project_arrows() {
  return parse_arrows(read_file(source_dir() / "tests/lint/arrows.txt", ErrorKind::kConfig));
}

// What one file with one include gives.
std::vector<std::string> judge(const std::string& path, const std::string& include) {
  return broken_arrows(project_arrows(), {{path, "// text\n#include " + include + "\n"}});
}

TEST_CASE("the includes follow the arrows of the design") {
  const auto files = read_source_tree(source_dir());
  const auto arrows = project_arrows();
  const auto judged = std::count_if(files.begin(), files.end(), [&](const SourceFile& file) {
    return is_cpp(file.path) && !arrows.room_of(file.path).empty();
  });
  CHECK(judged > 40);  // an empty walk must not pass
  for (const std::string& broken : broken_arrows(arrows, files)) FAIL_CHECK(broken);
}

TEST_CASE("an arrow against the design is found") {
  CHECK(judge("harness/base/x.h", "\"harness/store/records.h\"").size() == 1);
  CHECK(judge("harness/grid/x.cpp", "\"policies/registry.h\"").size() == 1);
  CHECK(judge("models/engine/x.cpp", "\"policies/tova.h\"").size() == 1);
  CHECK(judge("models/checkpoint/x.cpp", "\"models/engine/evaluate.h\"").size() == 1);
  CHECK(judge("models/checkpoint/x.cpp", "\"models/tokenizer/tokenizer.h\"").size() == 1);
  CHECK(judge("reports/x.cpp", "\"harness/runner/job.h\"").size() == 1);
  CHECK(judge("policies/x.cpp", "\"models/engine/evaluate.h\"").size() == 1);
  CHECK(judge("tasks/metrics/x.cpp", "\"tasks/task.h\"").size() == 1);
  const auto broken = judge("harness/store/x.cpp", "\"reports/report.h\"");
  REQUIRE(broken.size() == 1);
  CHECK(broken[0] == "harness/store/x.cpp:2: store may not include reports (reports/report.h)");
}

TEST_CASE("a library header outside its room is found") {
  CHECK(judge("tasks/x.cpp", "<ATen/ATen.h>").size() == 1);
  CHECK(judge("models/tokenizer/x.cpp", "<torch/torch.h>").size() == 1);
  CHECK(judge("reports/x.cpp", "<SQLiteCpp/SQLiteCpp.h>").size() == 1);
  CHECK(judge("harness/store/x.h", "<sqlite3.h>").size() == 1);
}

TEST_CASE("an include that is not written from the root is found") {
  CHECK(judge("policies/x.cpp", "\"tova.h\"").size() == 1);
  CHECK(judge("policies/x.cpp", "\"../harness/base/error.h\"").size() == 1);
}

TEST_CASE("arrows of the design pass") {
  CHECK(judge("harness/base/version.cpp", "\"version_stamp.h\"").empty());
  CHECK(judge("models/engine/x.cpp", "\"policies/policy.h\"").empty());
  CHECK(judge("models/engine/x.cpp", "<ATen/ATen.h>").empty());
  CHECK(judge("harness/store/x.cpp", "<sqlite3.h>").empty());
  CHECK(judge("harness/cli/x.cpp", "\"reports/report.h\"").empty());
  CHECK(judge("tests/x.cpp", "\"policies/tova.h\"").empty());
}

TEST_CASE("a misspelt line of arrows.txt is refused") {
  CHECK_THROWS_AS(parse_arrows("romo base harness/base/\n"), Error);
  CHECK_THROWS_AS(parse_arrows("room base harness/base/\nmay base stroe\n"), Error);
}

}  // namespace
}  // namespace lethe::test
