// SPDX-License-Identifier: Apache-2.0
#include <filesystem>

#include "harness/base/hash.h"
#include "harness/base/text.h"
#include "tests/grid/small_suite.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

using namespace lethe;
using namespace lethe::grid;
using namespace lethe::test;
using Values = std::vector<std::int64_t>;
using Names = std::vector<std::string>;

namespace {

constexpr const char* kBase = R"({"name": "base", "title": "Base", "models": ["small"],
  "tasks": [{"name": "pg19", "windows": 1}], "policies": ["full", "tova"], "lengths": [256],
  "budgets": [64, 128], "exclude": [{"budgets": [128]}]})";

// Files of one folder, and what reading "suite.json" among them gives.
class Files {
 public:
  Files() { write("base.json", kBase); }
  void write(const std::string& name, const std::string& content) const {
    std::filesystem::create_directories((dir_ / name).parent_path());
    write_file_atomically(dir_ / name, content);
  }
  Suite read(const std::string& suite, const Overrides& overrides = {}) const {
    write("suite.json", suite);
    return read_suite(dir_ / "suite.json", overrides, dir_ / "shipped");
  }
  std::string error(const std::string& suite) const {
    return config_error([&] { read(suite); });
  }
  std::string path(const std::string& name) const { return (dir_ / name).string(); }

 private:
  TempDir dir_;
};

}  // namespace

TEST_CASE("included members are defaults, replaced whole") {
  const Files files;
  const Suite suite = files.read(R"({"include": ["base.json"], "name": "mine", "budgets": [32],
                                     "exclude": []})");
  CHECK(suite.name == "mine");
  CHECK(suite.title == "Base");
  CHECK(suite.policies == Names{"full", "tova"});
  CHECK(json::serialize(suite.tasks[0].second) == R"({"windows":1})");
  CHECK(suite.budgets == Values{32});
  CHECK(suite.exclude.empty());
  CHECK(files.read(R"({"include": ["base.json"]})").exclude.size() == 1);
}

TEST_CASE("later includes win, at every depth") {
  const Files files;
  files.write("deep/one.json", R"({"include": ["../base.json"], "budgets": [1], "seeds": [1]})");
  files.write("two.json", R"({"budgets": [2]})");
  const Suite suite = files.read(R"({"include": ["deep/one.json", "two.json"]})");
  CHECK(suite.budgets == Values{2});
  CHECK(suite.seeds == Values{1});
  CHECK(suite.lengths == Values{256});
  CHECK(files.read(R"({"include": ["two.json", "deep/one.json"]})").budgets == Values{1});
  // Reading one file twice on two branches is no cycle.
  CHECK(files.read(R"({"include": ["base.json", "deep/one.json"]})").budgets == Values{1});
}

TEST_CASE("a shipped suite is included by name; a file beside comes first") {
  const Files files;
  files.write("shipped/known.json", kBase);
  CHECK(files.read(R"({"include": ["known"], "name": "mine"})").lengths == Values{256});
  const auto error = files.error(R"({"include": ["knwon"]})");
  CHECK(contains(error, "include[0]: there is no file " + files.path("knwon")));
  CHECK(contains(error, "did you mean 'known'?"));
  files.write("known", R"({"include": ["base.json"], "lengths": [512]})");
  CHECK(files.read(R"({"include": ["known"]})").lengths == Values{512});
}

TEST_CASE("the hash of a suite covers every file read") {
  const Files files;
  const std::string text = R"({"include": ["base.json"]})";
  const auto before = files.read(text).sha256;
  CHECK(before.size() == 64);
  CHECK(before != sha256_hex(text));
  CHECK(files.read(text).sha256 == before);
  files.write("base.json", std::string(kBase) + "\n");
  const auto after = files.read(text).sha256;
  CHECK(after != before);
  CHECK(files.read(text + " ").sha256 != after);
}

TEST_CASE("bad includes name the chain") {
  const Files files;
  files.write("one.json", R"({"include": ["two.json"]})");
  files.write("two.json", R"({"include": ["one.json"]})");
  CHECK(contains(files.error(R"({"include": ["one.json"]})"),
                 files.path("suite.json") + " -> " + files.path("one.json") + " -> " +
                     files.path("two.json") + " -> " + files.path("one.json") +
                     ": a suite that includes itself"));
  CHECK(contains(files.error(R"({"include": ["suite.json"]})"), "includes itself"));
  CHECK(contains(files.error(R"({"include": ["deep/../suite.json"]})"), "no file"));

  files.write("two.json", R"({"include": ["three.json"]})");
  const auto missing = files.error(R"({"include": ["one.json"]})");
  CHECK(contains(missing, files.path("two.json") + ": include[0]: there is no file " +
                              files.path("three.json")));
  CHECK(contains(missing, "included by " + files.path("suite.json") + " -> " +
                              files.path("one.json") + " -> " + files.path("two.json")));

  CHECK(contains(files.error(R"({"include": "base.json"})"), "expected an array"));
  CHECK(contains(files.error(R"({"include": [3]})"), "include[0]: expected the name"));
  CHECK(contains(files.error(R"({"include": [""]})"), "include[0]: expected the name"));
  CHECK(contains(files.error(R"({"includes": ["base.json"]})"), "did you mean 'include'?"));
  CHECK(contains(files.error(R"({"include": ["."]})"), "no file"));
  // What is wrong in an included file is said of that file, also where it would be replaced.
  files.write("bad.json", R"({"include": ["base.json"], "budgets": [0]})");
  CHECK(contains(files.error(R"({"include": ["bad.json"], "budgets": [1]})"),
                 files.path("bad.json") + ": budgets[0]: expected at least 1"));
}

TEST_CASE("axes from the command line replace those of includes") {
  const Files files;
  const Suite suite =
      files.read(R"({"include": ["base.json"]})", {{"tasks", "pg19"}, {"budgets", "2^4..2^6"}});
  CHECK(json::serialize(suite.tasks[0].second) == R"({"windows":1})");
  CHECK(suite.budgets == Values{16, 32, 64});
}
