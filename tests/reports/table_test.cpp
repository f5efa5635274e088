// SPDX-License-Identifier: Apache-2.0
#include "reports/table.h"

#include "harness/base/error.h"
#include "tests/support/catch.h"

using namespace lethe;
using namespace lethe::reports;

namespace {

Table sample() {
  Table table;
  table.caption = "Numbers <of> things";
  table.columns = {{"Name"},
                   {"64", Align::kRight, "ours", "k = 64"},
                   {"128", Align::kRight, "ours", "k = 128"},
                   {"64", Align::kRight, "theirs"}};
  table.add_row({"a|b", "1.5", "22.25", "3"});
  table.add_row(std::vector<TableCell>{{.text = "ü,\"x\""},
                                       {.text = "–", .notes = {table.note("not run")}},
                                       {.text = "4", .detail = "[3, 5]"},
                                       {.text = "9", .tone = Tone::kBad}});
  return table;
}

}  // namespace

TEST_CASE("a table renders as Markdown", "[reports][unit]") {
  CHECK(to_markdown(sample()) ==
        "**Numbers \\<of> things**\n\n"
        "| Name | k = 64 | k = 128 | theirs: 64 |\n|---|---:|---:|---:|\n"
        "| a\\|b | 1.5 | 22.25 | 3 |\n"
        "| ü,\"x\" | –<sup>1</sup> | 4 \\[3, 5] | 9 |\n\n1. not run\n");
}

TEST_CASE("a table renders as CSV", "[reports][unit]") {
  CHECK(to_csv(sample()) ==
        "Name,k = 64,k = 128,theirs: 64\na|b,1.5,22.25,3\n\"ü,\"\"x\"\"\",–,\"4 [3, 5]\",9\n");
  Table odd;
  odd.columns = {{"x"}};
  odd.add_row({"two\nlines"});
  odd.add_row({""});
  CHECK(to_csv(odd) == "x\n\"two\nlines\"\n\n");
}

TEST_CASE("a table renders as aligned text, wide characters counted once", "[reports][unit]") {
  CHECK(to_plain_text(sample()) ==
        "Numbers <of> things\n"
        "Name   k = 64   k = 128  theirs: 64\n"
        "-----  ------  --------  ----------\n"
        "a|b       1.5     22.25           3\n"
        "ü,\"x\"    –[1]  4 [3, 5]           9\n"
        "[1] not run\n");
}

TEST_CASE("a table renders as HTML with caption, scopes and escaped text", "[reports][unit]") {
  const std::string html = to_html(sample(), "t1");
  const auto has = [&](const char* text) { return html.find(text) != std::string::npos; };
  CHECK(has("<caption id=\"t1-caption\">Numbers &lt;of&gt; things</caption>"));
  CHECK(has("<th scope=\"colgroup\" class=\"group edge\" colspan=\"2\">ours</th>"));
  CHECK(has("<th scope=\"col\" rowspan=\"2\">Name</th>"));
  CHECK(has("<th scope=\"row\">a|b</th>"));
  CHECK(has("<sup><a href=\"#t1-note-1\">1</a></sup>"));
  CHECK(has("<li id=\"t1-note-1\">not run</li>"));
  CHECK(has("<td class=\"num edge bad\">9</td>"));
  CHECK(inline_html("a `b<c` d` e") == "a <code>b&lt;c</code> d` e");
}

TEST_CASE("footnotes are shared and rows must fit", "[reports][unit]") {
  Table table;
  table.columns = {{"a"}, {"b"}};
  CHECK(table.note("x") == 1);
  CHECK(table.note("y") == 2);
  CHECK(table.note("x") == 1);
  CHECK_THROWS_AS(table.add_row({"only one"}), Error);
  CHECK(to_plain_text(Table{}) == "\n\n");
}
