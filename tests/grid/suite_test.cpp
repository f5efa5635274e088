// SPDX-License-Identifier: Apache-2.0
#include <fstream>

#include "harness/base/error.h"
#include "harness/base/hash.h"
#include "harness/grid/suite.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

using namespace lethe;
using namespace lethe::grid;
using lethe::test::TempDir;
using Values = std::vector<std::int64_t>;
using Names = std::vector<std::string>;

namespace {

constexpr const char* kMinimal = R"({"name": "quick", "models": ["small"], "tasks": ["pg19"],
  "policies": ["tova"], "lengths": [128]})";

Suite read(const std::string& text, const Overrides& overrides = {}) {
  TempDir dir;
  std::ofstream(dir / "suite.json") << text;
  return read_suite(dir / "suite.json", overrides);
}

// The minimal suite with one member set to another value.
std::string with(const std::string& name, const std::string& value) {
  auto suite = parse_json(kMinimal, "test", ErrorKind::kInternal).get_object();
  suite[name] = parse_json(value, "test", ErrorKind::kInternal);
  return json::serialize(suite);
}

template <typename Body>
std::string config_error(Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::kConfig);
    return error.what();
  }
  return "no error";
}

std::string range_error(const std::string& text) {
  return config_error([&] { expand_range(text, "budgets[0]"); });
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("ranges") {
  CHECK(expand_range("64..4096*2", "") == Values{64, 128, 256, 512, 1024, 2048, 4096});
  CHECK(expand_range("64..4095*2", "").back() == 2048);
  CHECK(expand_range("1..5", "") == Values{1, 2, 3, 4, 5});
  CHECK(expand_range("0..100+25", "") == Values{0, 25, 50, 75, 100});
  CHECK(expand_range("0..99+25", "").back() == 75);
  CHECK(expand_range("7", "") == Values{7});
  CHECK(expand_range("7..7*3", "") == Values{7});
  CHECK(expand_range("-2..1", "") == Values{-2, -1, 0, 1});
  CHECK(expand_range("2^6..2^9", "") == Values{64, 128, 256, 512});
  CHECK(expand_range("10^0..10^3", "") == Values{1, 10, 100, 1000});
  CHECK(expand_range("3^2", "") == Values{9});
  CHECK(expand_range("2^62..2^62", "") == Values{std::int64_t{1} << 62});
  CHECK(expand_range("2^6..256*4", "") == Values{64, 256});
  CHECK(expand_range("0..2^4+2^3", "") == Values{0, 8, 16});
  // The step past the end does not overflow.
  const std::string huge = "9223372036854775806..9223372036854775807";
  CHECK(expand_range(huge, "").size() == 2);
  CHECK(expand_range("3..9223372036854775807*3", "").size() == 39);
}

TEST_CASE("malformed ranges say what is wrong and where") {
  for (const char* text :
       {"",           "..",       "1..",    "..5", "many", "64..4096*",
        "64..4096*x", "64...128", "1..5-1", "1.5", " 7",   "1..99999999999999999999",
        "0x10",       "1..5*2*2", "2^",     "^2",  "2^-1", "1^3",
        "2^63",       "2^2^2",    "2^6..2^"}) {
    INFO(text);
    const auto message = range_error(text);
    CHECK(contains(message, "budgets[0]: '" + std::string(text) + "' is no range"));
    CHECK(contains(message, "64..4096*2"));
  }
  CHECK(contains(range_error("5..1"), "start is above its end"));
  CHECK(contains(range_error("2^9..2^6"), "start is above its end"));
  CHECK(contains(range_error("2^6..3^6"), "mixes powers"));
  CHECK(contains(range_error("64..2^12"), "mixes powers"));
  CHECK(contains(range_error("0..8*2"), "never ends"));
  CHECK(contains(range_error("1..8*1"), "never ends"));
  CHECK(contains(range_error("1..8+0"), "never ends"));
  CHECK(contains(range_error("1..9223372036854775807"), "more than 1000000 values"));
}

TEST_CASE("a full suite") {
  const std::string text = R"({"name": "quick", "title": "Quick", "report": "perplexity",
    "models": ["small", "large", "small"],
    "tasks": [{"name": "pg19", "windows": 1, "books": ["860"]}, "other"],
    "policies": ["full", "window:sinks=4"], "budgets": [32, "64..256*2", 128, 7],
    "lengths": ["128"], "schedules": ["exact"], "positions": ["original"],
    "dtypes": ["float32", "float64"], "kv_dtypes": ["same"], "seeds": ["0..2"]})";
  const Suite suite = read(text);
  CHECK(suite.name == "quick");
  CHECK(suite.title == "Quick");
  CHECK(suite.report == "perplexity");
  CHECK(suite.models == Names{"small", "large"});
  REQUIRE(suite.tasks.size() == 2);
  CHECK(suite.tasks[0].first == "pg19");
  CHECK(json::serialize(suite.tasks[0].second) == R"({"windows":1,"books":["860"]})");
  CHECK(suite.tasks[1].second.empty());
  CHECK(suite.budgets == Values{32, 64, 128, 256, 7});
  CHECK(suite.seeds == Values{0, 1, 2});
  CHECK(suite.dtypes == Names{"float32", "float64"});
  CHECK(suite.sha256 == sha256_hex(text));
}

TEST_CASE("members that may be missing") {
  const Suite suite = read(kMinimal);
  CHECK(suite.title == "quick");
  CHECK(suite.report.empty());
  CHECK(suite.budgets.empty());
  CHECK(suite.schedules == Names{"exact"});
  CHECK(suite.positions == Names{"original"});
  CHECK(suite.dtypes == Names{"float32"});
  CHECK(suite.kv_dtypes == Names{"same"});
  CHECK(suite.seeds == Values{0});
}

TEST_CASE("bad suites") {
  const auto error = [](const std::string& text) { return config_error([&] { read(text); }); };
  const auto bad = [&](const std::string& name, const std::string& value) {
    const auto message = error(with(name, value));
    INFO(message);
    CHECK(contains(message, "suite.json"));
    return message;
  };
  const auto misspelt = bad("budgest", "[64]");
  CHECK(contains(misspelt, "'budgest' is unknown"));
  CHECK(contains(misspelt, "did you mean 'budgets'?"));
  CHECK(contains(bad("dtype", R"(["float32"])"), "did you mean 'dtypes'?"));

  CHECK(contains(bad("budgets", "[64, 0]"), "budgets[1]: expected at least 1, found 0"));
  CHECK(contains(bad("budgets", "[-5]"), "expected at least 1, found -5"));
  CHECK(contains(bad("budgets", R"(["0..8"])"), "expected at least 1, found 0"));
  CHECK(contains(bad("budgets", R"(["many"])"), "budgets[0]: 'many' is no range"));
  CHECK(contains(bad("budgets", "[null]"), "found null"));
  CHECK(contains(bad("budgets", "[64.5]"), "found a number"));
  CHECK(contains(bad("budgets", "[true]"), "found a boolean"));
  CHECK(contains(bad("budgets", "[18446744073709551615]"), "too large"));
  CHECK(contains(bad("budgets", "64"), "expected an array, found an integer"));
  CHECK(contains(bad("budgets", "[]"), "at least one value"));
  CHECK(contains(bad("lengths", "[1]"), "expected at least 2, found 1"));
  CHECK(contains(bad("seeds", "[-1]"), "expected at least 0"));
  CHECK(contains(bad("models", "[]"), "at least one value"));
  CHECK(contains(bad("models", "[3]"), "models[0]: expected a string"));
  CHECK(contains(bad("models", R"([""])"), "empty text"));
  CHECK(contains(bad("tasks", R"([{"windows": 1}])"), "member 'name' is missing"));
  CHECK(contains(bad("tasks", "[1]"), "tasks[0]"));
  CHECK(contains(bad("name", R"("a/b")"), "'a/b'"));
  CHECK(contains(bad("name", R"("..")"), "found '..'"));
  CHECK(contains(bad("name", "3"), "expected a string"));
  CHECK(contains(error("{"), "not valid JSON"));
  CHECK(contains(error("[]"), "expected an object"));
  CHECK(contains(error("{}"), "is missing"));
  CHECK(contains(config_error([] { read_suite("no/such/suite.json", {}); }), "no/such/suite.json"));
}

TEST_CASE("axes set on the command line") {
  const Suite suite = read(with("tasks", R"([{"name": "pg19", "windows": 1}, "other"])"),
                           {{"budgets", "64..256*2,32"},
                            {"policies", "tova,snapkv:window=64,kernel=5,window,sinks=4"},
                            {"tasks", "pg19,third"},
                            {"models", "large"},
                            {"seeds", "3"}});
  CHECK(suite.budgets == Values{64, 128, 256, 32});
  CHECK(suite.policies == Names{"tova", "snapkv:window=64,kernel=5", "window:sinks=4"});
  REQUIRE(suite.tasks.size() == 2);
  CHECK(json::serialize(suite.tasks[0].second) == R"({"windows":1})");
  CHECK(suite.tasks[1].first == "third");
  CHECK(suite.models == Names{"large"});
  CHECK(suite.seeds == Values{3});

  const auto error = [](const Overrides& overrides) {
    return config_error([&] { read(kMinimal, overrides); });
  };
  CHECK(contains(error({{"polices", "tova"}}), "did you mean 'policies'?"));
  CHECK(contains(error({{"name", "x"}}), "axis 'name' is unknown"));
  CHECK(contains(error({{"budgets", "0"}}), "expected at least 1, found 0"));
  CHECK(contains(error({{"budgets", "many"}}), "'many' is no range"));
  CHECK(contains(error({{"budgets", ""}}), "expected values, found none"));
  CHECK(contains(error({{"policies", "tova,,window"}}), "empty text"));
}
