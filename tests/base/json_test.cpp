// SPDX-License-Identifier: Apache-2.0
#include "harness/base/json.h"

#include <limits>

#include "harness/base/text.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe {
namespace {

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

TEST_CASE("canonical JSON is one text for equal values", "[unit]") {
  const auto a = parse_json(R"({"b": [1, 2.5, true, null], "a": {"y": "ü\n", "x": -7}})", "a",
                            ErrorKind::kConfig);
  const auto b = parse_json("{\"a\":{\"x\":-7,\n\"y\":\"ü\\u000a\"},\"b\":[1,25e-1,true,null]}",
                            "b", ErrorKind::kConfig);
  CHECK(canonical_json(a) == canonical_json(b));
  CHECK(canonical_json(a) == R"({"a":{"x":-7,"y":"ü\n"},"b":[1,2.5,true,null]})");
  CHECK(canonical_json(json::value(1.0)) == "1.0");  // not the integer 1
  CHECK(canonical_json(json::value(1)) == "1");
  CHECK(canonical_json(json::value(0.1)) == "0.1");
  CHECK(canonical_json(json::value(1e300)) == "1e+300");
  CHECK_THROWS_AS(canonical_json(json::value(std::numeric_limits<double>::quiet_NaN())), Error);
}

TEST_CASE("a JSON error names file, line and column", "[fault]") {
  CHECK(message_of([] {
          parse_json("{\n  \"a\": 1,\n  oops\n}", "suite.json", ErrorKind::kConfig);
        }).rfind("suite.json:3:3:", 0) == 0);
  CHECK(message_of([] { parse_json("{} x", "f", ErrorKind::kConfig); }).find("f:1:4") !=
        std::string::npos);
  CHECK(message_of([] { parse_json("{\"a\":", "f", ErrorKind::kConfig); }).find("not valid JSON") !=
        std::string::npos);
  CHECK(message_of([] { parse_json("", "f", ErrorKind::kConfig); }).find("f:1:1") !=
        std::string::npos);
  CHECK(message_of([] { read_json_file("/nowhere/x.json", ErrorKind::kConfig); }) ==
        "cannot open /nowhere/x.json: No such file or directory");
}

TEST_CASE("the object reader is strict", "[unit]") {
  const auto value =
      parse_json(R"({"name": "x", "count": 3, "ratio": 0.5, "on": true, "list": []})", "s",
                 ErrorKind::kConfig);
  ObjectReader reader(value, "s.json", ErrorKind::kConfig);
  CHECK(reader.string("name") == "x");
  CHECK(reader.integer("count") == 3);
  CHECK(reader.number("count") == 3.0);
  CHECK(reader.number("ratio") == 0.5);
  CHECK(reader.boolean("on", false));
  CHECK(reader.integer("absent", 9) == 9);
  CHECK(message_of([&] { reader.integer("ratio"); }) ==
        "s.json: ratio: expected an integer, found a number");
  CHECK(message_of([&] { reader.string("count"); }) ==
        "s.json: count: expected a string, found an integer");
  CHECK(message_of([&] { reader.string("nam"); }) == "s.json: member 'nam' is missing");
  CHECK(message_of([&] { reader.finish(); }).find("member 'list' is unknown") != std::string::npos);
  reader.array("list");
  CHECK(message_of([&] { reader.finish(); }) == "accepted");
  CHECK(message_of([] {
          ObjectReader(json::value(3), "s.json", ErrorKind::kConfig);
        }).find("expected an object, found an integer") != std::string::npos);
}

}  // namespace
}  // namespace lethe
