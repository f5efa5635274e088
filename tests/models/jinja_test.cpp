// SPDX-License-Identifier: Apache-2.0
// The template language against what jinja2 made of the same templates, and its limits.
#include <ctime>
#include <fstream>
#include <string>
#include <vector>

#include "harness/base/json.h"
#include "models/tokenizer/jinja.h"
#include "tests/models/file_support.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::models {
namespace {

using Catch::Matchers::Contains;

// The time that the goldens were made with: Thursday 2026-03-05, 14:07:09.
std::tm golden_time() {
  std::tm time{};
  time.tm_year = 126;
  time.tm_mon = 2;
  time.tm_mday = 5;
  time.tm_hour = 14;
  time.tm_min = 7;
  time.tm_sec = 9;
  time.tm_wday = 4;
  time.tm_yday = 63;
  return time;
}

std::string rendered(std::string_view source, const json::object& variables = {},
                     const jinja::Limits& limits = {}) {
  return jinja::Template(source, "a template", limits).render(variables, golden_time());
}

std::string error_of(std::string_view source, const json::object& variables = {},
                     const jinja::Limits& limits = {}) {
  return test::error_of(ErrorKind::kModel, [&] { rendered(source, variables, limits); });
}

TEST_CASE("templates of the language render as jinja2 renders them", "[golden]") {
  std::ifstream file(test::golden("tokenizer/jinja_language.jsonl"));
  std::string line;
  REQUIRE(std::getline(file, line));
  const json::value head = parse_json(line, "head", ErrorKind::kData);
  const json::object& variables = head.at("variables").as_object();
  int cases = 0;
  for (; std::getline(file, line); ++cases) {
    const json::value golden = parse_json(line, "golden", ErrorKind::kData);
    const std::string source(golden.at("template").as_string());
    INFO(source);
    try {
      const std::string text = rendered(source, variables);
      if (golden.as_object().contains("error")) {
        FAIL_CHECK("expected " << golden.at("error") << ", rendered " << text);
      } else {
        CHECK(text == std::string(golden.at("expected").as_string()));
      }
    } catch (const Error& error) {
      INFO(error.what());
      CHECK(error.kind() == ErrorKind::kModel);
      CHECK(golden.as_object().contains("error"));
      CHECK_THAT(error.what(), Contains("a template: line ") && Contains(", column "));
      if (golden.as_object().contains("message")) {
        CHECK_THAT(error.what(), Contains(std::string(golden.at("message").as_string())));
      }
    }
  }
  CHECK(cases > 800);
}

TEST_CASE("an error names template, line, column, what was found and what is supported") {
  CHECK(error_of("a\n  {{ 'x'|nofilter }}")
            .find("a template: line 2, column 10: expected a filter "
                  "that is supported (abs, capitalize, ") == 0);
  CHECK(
      error_of("\xc3\xa9{{ nope.part }}") ==
      "a template: line 1, column 9: expected a value to take 'part' from, found 'nope', which is "
      "undefined");
  CHECK_THAT(error_of("{% include 'x' %}"), Contains("line 1, column 4: expected a tag that is "
                                                     "supported (if, for, set, macro, "));
  CHECK_THAT(error_of("{{ s.center(9) }}", {{"s", "x"}}), Contains("removeprefix"));
  CHECK_THAT(error_of("{{ 1 is prime }}"), Contains("'prime'") && Contains("divisibleby"));
  CHECK_THAT(error_of("{{ ('a'|safe) ~ 'b' }}"), Contains("at the end of {{ }} alone"));
  CHECK_THAT(error_of("{{ '%d' % 1 }}"), Contains("'%' is not supported"));
  CHECK_THAT(error_of("{{ '\xc4\x80'|lower }}"), Contains("U+0100"));
  CHECK_THAT(error_of("{% for i in [1] recursive %}{% endfor %}"), Contains("recursive"));
  CHECK_THAT(error_of("\xff"), Contains("UTF-8"));
  CHECK_THAT(test::error_of(ErrorKind::kModel,
                            [] { jinja::Template("{{ strftime_now('%Y') }}", "t").render({}); }),
             Contains("the time, and none was given"));
}

TEST_CASE("integers beyond 64 bits are refused, not wrapped") {
  for (const char* source :
       {"9223372036854775807 + 1", "-9223372036854775807 - 2", "2 ** 63", "3 ** 9999",
        "4611686018427387904 * 2", "9223372036854775808", "-(-9223372036854775807 - 1)",
        "(-9223372036854775807 - 1) // -1", "1e300|int"}) {
    INFO(source);
    CHECK_THAT(error_of("{{ " + std::string(source) + " }}"),
               Contains("64 bits") || Contains("larger"));
  }
  CHECK(rendered("{{ (-9223372036854775807 - 1) % -1 }}") == "0");
  CHECK(rendered("{{ 1 ** 9999 }}") == "1");
}

std::string repeated(const std::string& text, int count) {
  std::string all;
  for (int i = 0; i < count; ++i) all += text;
  return all;
}

TEST_CASE("no template can hang or fill the memory") {
  const std::string loops =
      "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}";
  CHECK_THAT(error_of(loops), Contains("steps"));
  CHECK_THAT(error_of("{% set n = namespace(s='x') %}{% for i in range(99) %}"
                      "{% set n.s = n.s + n.s %}{% endfor %}"),
             Contains("bytes of values"));
  CHECK_THAT(error_of("{{ 'x' * 9999999999 }}"), Contains("steps") || Contains("bytes"));
  CHECK_THAT(error_of("{{ [0] * 9999999999 }}"), Contains("steps") || Contains("bytes"));
  CHECK_THAT(error_of("{{ 'x'|indent(9999999999) }}"), Contains("bytes"));
  CHECK_THAT(error_of("{{ [[]]|tojson(indent=9999999999) }}"), Contains("bytes"));
  CHECK_THAT(error_of("{% set n = namespace(l=[]) %}{% for i in range(99) %}"
                      "{% set n.l = [n.l] %}{% endfor %}"),
             Contains("nested"));
  CHECK_THAT(error_of("{% set n = namespace(l=[1]) %}{% for i in range(60) %}"
                      "{% set n.l = [n.l, n.l] %}{% endfor %}{{ n.l }}"),
             Contains("steps") || Contains("bytes"));
  CHECK_THAT(error_of("{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}"), Contains("levels"));
  CHECK_THAT(error_of(repeated("{% if 1 %}", 5000)), Contains("levels"));
  CHECK_THAT(error_of("{{ " + repeated("(", 5000) + repeated(")", 5000) + "}}"),
             Contains("levels"));
  CHECK_THAT(error_of("{{ " + repeated("not ", 5000) + "1 }}"), Contains("levels"));
  CHECK_THAT(error_of("{{ 1 " + repeated("-", 5000) + "1 }}"), Contains("levels"));
  CHECK_THAT(error_of("{{ 1" + repeated(" + 1", 5000) + " }}"), Contains("in a row"));
  CHECK_THAT(error_of("{{ x" + repeated(".a", 5000) + " }}"), Contains("in a row"));
  CHECK(rendered("{{ ''" + repeated(" ~ 'a'", 5000) + " }}") == repeated("a", 5000));
  jinja::Limits small;
  small.output_bytes = 100;
  small.source_bytes = 200;
  CHECK_THAT(error_of("{% for i in range(60) %}ab{% endfor %}", {}, small), Contains("100 bytes"));
  CHECK_THAT(error_of(std::string(201, 'x'), {}, small), Contains("at most 200 bytes"));
}

TEST_CASE("nothing in a namespace or a container refers back to it") {
  for (const char* source :
       {"{% set n = namespace() %}{% set n.n = n %}", "{% set n = namespace() %}{{ [n] }}",
        "{% macro f() %}{% endmacro %}{{ {'f': f} }}",
        "{% for i in [1] %}{{ (loop,) }}{% endfor %}", "{{ namespace(a=range) }}",
        "{{ dict(a=namespace()) }}"}) {
    INFO(source);
    CHECK_THAT(error_of(source), Contains("not supported there"));
  }
}

TEST_CASE("a long conversation stays within the limits") {
  json::array messages;
  for (int i = 0; i < 4; ++i)
    messages.push_back(json::object{{"content", std::string(3'000'000, 'x')}});
  const std::string text =
      rendered("{% for m in messages %}{{ '<s>' + m.content|trim + ' ' ~ '</s>' }}{% endfor %}",
               {{"messages", messages}});
  CHECK(text.size() == 4 * 3'000'008);
}

}  // namespace
}  // namespace lethe::models
