// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <sstream>

#include <boost/property_tree/ptree.hpp>
#include <boost/property_tree/xml_parser.hpp>
#include <boost/regex.hpp>

#include "reports/answer_audit.h"
#include "tests/reports/answer_writing.h"
#include "tests/support/catch.h"

using namespace lethe;
using namespace lethe::reports;
using Catch::Matchers::Contains;
using test::AnswerGrid;

TEST_CASE("the pages are well-formed and show whatever a model writes", "[reports][integration]") {
  const test::WrittenAnswers report = test::write_answers(
      [](store::RunStore& store) { test::add_answers(store, test::longbench_trial(6)); },
      {"html", "csv"});
  for (const char* name : {"index.html", "answers.html"}) {
    CAPTURE(name);
    const std::string page = report.file(name);
    boost::property_tree::ptree tree;
    std::istringstream stream(page);
    REQUIRE_NOTHROW(boost::property_tree::read_xml(stream, tree));
    CHECK_FALSE(boost::regex_search(page, boost::regex("(src|href)=[\"'](https?:|//)")));
    CHECK(page.find("<script") == std::string::npos);
    std::vector<std::string> ids;
    const boost::regex id("\\sid=[\"']([^\"']+)[\"']");
    for (boost::sregex_iterator at(page.begin(), page.end(), id), end; at != end; ++at) {
      ids.push_back((*at)[1]);
    }
    std::sort(ids.begin(), ids.end());
    CHECK(std::adjacent_find(ids.begin(), ids.end()) == ids.end());
  }
  const std::string answers = report.file("answers.html");
  CHECK_THAT(
      answers,
      Contains("&lt;b&gt;&quot;May 19, 1669&quot;&lt;/b&gt; &amp; nothing else, `as given`"));
  CHECK_THAT(answers, Contains("First line⏎ second line␉with a tab and ␁ a control"));
  CHECK_THAT(answers, Contains("根据文章"));
  CHECK_THAT(answers, Contains("title=\""));
  // 19 tasks with 9 columns and the full cache.
  CHECK_THAT(answers, Contains("1,026 answers, of which the first 4 samples of every task"));
  // The whole text stands in the CSV file, line breaks included.
  CHECK_THAT(report.file("answers.csv"), Contains("First line\nsecond line\twith a tab"));
}

TEST_CASE("the page of answers stays small", "[reports][integration]") {
  const test::WrittenAnswers report = test::write_answers(
      [](store::RunStore& store) {
        AnswerGrid grid = test::longbench_trial(0);
        grid.policies = {"tova"};
        grid.budgets = {256};
        grid.tasks = {grid.tasks[8], grid.tasks[0]};
        for (auto& task : grid.tasks) task.records = test::plain_records(1000);
        test::add_answers(store, grid);
      },
      {"html", "csv"});
  CHECK(report.file("answers.html").size() < 1'500'000);
  CHECK_THAT(report.file("answers.html"),
             Contains("4,000 answers, of which the first 200 samples"));
  CHECK(report.file("answers.csv").size() > 2'000'000);
}

TEST_CASE("the report says where the answers stand", "[reports][unit]") {
  const auto fill = [](store::RunStore& store) {
    test::add_answers(store, test::small_answer_grid());
  };
  const test::WrittenAnswers all = test::write_answers(fill, {});
  CHECK_THAT(all.file("report.md"), Contains("`answers.html` has the first ones side by side, "
                                             "`answers.csv` all of them."));
  CHECK_THAT(all.file("answers.html"), Contains("36 answers, all of which stand here;"));
  CHECK_THAT(test::write_answers(fill, {"md", "csv"}).file("report.md"),
             Contains("scored: `answers.csv` has all of them."));
  const std::string alone = test::write_answers(fill, {"md"}).file("report.md");
  CHECK_THAT(alone, !Contains("answers.csv") && !Contains("answers.html"));
}

TEST_CASE("the nearest reference and what is shown of a text", "[reports][unit]") {
  const std::vector<std::string> references{"unanswerable", "Jean Paul Getty", "三百七十万"};
  CHECK(nearest_reference("It was jean paul getty.", references) == references[1]);
  CHECK(nearest_reference("约为三百七十万人", references) == references[2]);
  CHECK(nearest_reference("", references) == references[0]);
  CHECK(visible_text("数字", 1) == "数…");
  CHECK(visible_text("a\nb\x7F\x02", 9) == "a⏎ b␡␂");
  CHECK(visible_text("abc", 3) == "abc");
}
