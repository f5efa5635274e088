// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <memory>
#include <sstream>

#include <boost/property_tree/ptree.hpp>
#include <boost/property_tree/xml_parser.hpp>
#include <boost/regex.hpp>

#include "harness/base/text.h"
#include "reports/perplexity_query.h"
#include "reports/perplexity_tables.h"
#include "reports/report_registry.h"
#include "tests/reports/report_fixture.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

using namespace lethe;
using namespace lethe::reports;
using Catch::Matchers::Contains;
using test::Grid;

namespace {

std::string text_of(const std::filesystem::path& path) {
  return read_file(path, ErrorKind::kData);
}

struct Written {
  std::unique_ptr<test::TempDir> folder = std::make_unique<test::TempDir>();
  ReportResult result;
  std::filesystem::path path(const std::string& name) const { return *folder / name; }
  std::string file(const std::string& name) const { return text_of(path("out/" + name)); }
  bool has(const std::string& name) const { return std::filesystem::exists(path("out/" + name)); }
  std::string summary() const {
    std::string all;
    for (const std::string& line : result.summary) all += line + "\n";
    return all;
  }
};

/// Report on a database that `fill` makes. Text formats only unless `formats` says otherwise.
template <typename Fill>
Written write(Fill fill, std::vector<std::string> formats = {"md", "csv"}) {
  Written written;
  auto store = test::make_store(written.path("lethe.db"));
  fill(store);
  ReportRequest request = test::request_for(written.path("out"));
  request.formats = std::move(formats);
  written.result = write_perplexity_report(store, request, test::FixedClock());
  return written;
}

}  // namespace

TEST_CASE("the report of a fixed database is the approved one", "[reports][golden]") {
  const Written report = write([](store::RunStore& store) { test::add_grid(store, {}); }, {});
  CHECK(report.result.files.front().filename() == "index.html");
  CHECK(report.result.files.size() == 12);
  for (const char* name :
       {"perplexity.svg", "perplexity.png", "perplexity.gp", "cost.svg", "cost.png"}) {
    CHECK(report.has(name));
  }
  test::check_approved("quick.approved.md", test::normalised(report.file("report.md")));
  test::check_approved("quick.approved.html", test::normalised(report.file("index.html")));
  test::check_approved("quick-table.approved.csv", report.file("table.csv"));
  test::check_approved("quick-claims.approved.csv", report.file("claims.csv"));
  test::check_approved("quick-summary.approved.txt", report.summary());
  CHECK_FALSE(report.result.invariant_violated);
}

TEST_CASE("the page is well-formed, self-contained and accessible", "[reports][integration]") {
  const Written report = write([](store::RunStore& store) { test::add_grid(store, {}); }, {"html"});
  const std::string page = report.file("index.html");
  boost::property_tree::ptree tree;
  std::istringstream stream(page);
  REQUIRE_NOTHROW(boost::property_tree::read_xml(stream, tree));
  CHECK(tree.get<std::string>("html.<xmlattr>.lang") == "en");

  CHECK_FALSE(boost::regex_search(page, boost::regex("(src|href)=[\"'](https?:|//)")));
  CHECK(page.find("url(http") == std::string::npos);
  CHECK(page.find("@import") == std::string::npos);
  CHECK(page.find("<script") == std::string::npos);
  CHECK(page.find("prefers-color-scheme: dark") != std::string::npos);

  std::vector<std::string> ids;
  const boost::regex id("\\sid=[\"']([^\"']+)[\"']");
  for (boost::sregex_iterator at(page.begin(), page.end(), id), end; at != end; ++at) {
    ids.push_back((*at)[1]);
  }
  std::sort(ids.begin(), ids.end());
  CHECK(std::adjacent_find(ids.begin(), ids.end()) == ids.end());

  const auto count = [&](const char* text) {
    std::size_t found = 0;
    for (auto at = page.find(text); at != std::string::npos; at = page.find(text, at + 1)) ++found;
    return found;
  };
  CHECK(count("<table ") == count("<caption "));
  CHECK(count("<table ") >= 5);
  CHECK(count("<svg ") == 2);
  CHECK(count("role=\"img\" aria-labelledby=") == 2);
  CHECK(count("<th ") == count("<th scope="));
  CHECK_FALSE(report.has("perplexity.svg"));
  CHECK_FALSE(report.has("perplexity.png"));
}

TEST_CASE("every query printed in the report gives the report's numbers",
          "[reports][integration]") {
  const test::TempDir dir;
  auto store = test::make_store(dir / "lethe.db");
  test::add_grid(store, {});
  for (const bool by_keys : {false, true}) {
    CAPTURE(by_keys);
    Selection selection{.suite = "quick", .cell_keys = {}};
    if (by_keys) {
      for (const auto& cell : store.cells()) selection.cell_keys.push_back(cell.record.key);
    }
    const auto panels = read_panels(store, selection);
    REQUIRE(panels.size() == 1);
    const Panel& panel = panels[0];
    const auto cell_of = [&](const std::vector<json::value>& row) {
      const auto budget = row[1].is_null() ? std::nullopt : std::optional(row[1].as_int64());
      const CellResult* cell = panel.find(std::string(row[0].as_string()), budget);
      REQUIRE(cell != nullptr);
      return *cell;
    };
    const auto table = store.query(perplexity_sql(selection, panel.settings));
    REQUIRE(table.rows.size() == 21);
    for (const auto& row : table.rows) {
      const PerplexityEstimate estimate = estimate_perplexity(cell_of(row));
      CHECK(row[4].as_double() == Approx(estimate.perplexity).epsilon(1e-12));
      CHECK(row[5].as_double() ==
            Approx(estimate.perplexity * *estimate.nll.standard_error).epsilon(1e-9));
    }
    const auto averages = store.query(averages_sql(selection, panel.settings));
    REQUIRE(averages.rows.size() == 21);
    for (const auto& row : averages.rows) {
      const PerplexityEstimate estimate = estimate_perplexity(cell_of(row));
      CHECK(row[4].as_double() == Approx(estimate.nll.mean).epsilon(1e-12));
      CHECK(row[6].as_double() == Approx(estimate.book_perplexity).epsilon(1e-12));
      CHECK(row[9].as_int64() == estimate.tokens);
    }
    const std::vector<std::pair<std::string, std::string>> pairs{{"tova", "window:sinks=4"},
                                                                 {"h2o", "full"}};
    const auto differences = store.query(differences_sql(selection, panel.settings, pairs));
    REQUIRE(differences.rows.size() == 10);
    for (const auto& row : differences.rows) {
      const std::string b(row[1].as_string());
      const auto budget = row[2].as_int64();
      const auto found =
          compare_cells(*panel.find(std::string(row[0].as_string()), budget),
                        *panel.find(b, b == "full" ? std::nullopt : std::optional(budget)), budget);
      CHECK(row[3].as_double() == Approx(found->delta.mean).margin(1e-12));
      CHECK(row[4].as_double() == Approx(found->ratio).epsilon(1e-12));
      CHECK(row[5].as_int64() == 6);
    }
    CHECK(store.query(provenance_sql(selection)).rows.size() == 1);
  }
  CHECK(sql_quote("it's") == "'it''s'");
}

TEST_CASE("an empty database and an unknown suite are said, not a crash", "[reports][unit]") {
  const Written empty = write([](store::RunStore&) {}, {});
  CHECK_THAT(empty.file("report.md"), Contains("holds no cell of suite `quick`"));
  CHECK_THAT(empty.file("index.html"), Contains("nothing was measured yet"));
  CHECK_THAT(empty.summary(), Contains("nothing to report yet"));
  CHECK(empty.file("perplexity.csv").starts_with("task,model,length"));
  CHECK_FALSE(empty.result.invariant_violated);
  const Written other = write([](store::RunStore& store) {
    Grid grid;
    grid.suite = "another";
    test::add_grid(store, grid);
  });
  CHECK_THAT(other.summary(), Contains("no cells of suite quick in lethe.db"));
}

TEST_CASE("partial, failed and missing cells show a dash and the reason", "[reports][unit]") {
  const Written report = write([](store::RunStore& store) {
    Grid grid;
    test::add_grid(store, grid);
    store.set_cell_status(test::cell_key(grid, "tova", 256), store::CellStatus::kOom,
                          "no memory left");
    store.set_cell_status(test::cell_key(grid, "h2o", 512), store::CellStatus::kCrashed,
                          "signal 9");
    Grid more;
    more.policies = {"random"};
    more.budgets = {128};
    more.with_full = false;
    test::add_grid(store, more);
    // A cell whose samples are not all there.
    store::CellRecord pending = store.cells().back().record;
    Grid half = more;
    half.policies = {"l2"};
    half.books = {"860", "2544"};
    pending.key = test::cell_key(half, "l2", 128);
    pending.policy = "l2";
    pending.n_samples = 6;
    store.add_cells(std::span(&pending, 1));
    test::add_grid(store, half);
    store.set_cell_status(pending.key, store::CellStatus::kRunning);
  });
  const std::string md = report.file("report.md");
  CHECK_THAT(md, Contains("oom: no memory left (6 of 6 samples were done)"));
  CHECK_THAT(md, Contains("crashed: signal 9"));
  CHECK_THAT(md, Contains("no such cell in the database"));
  CHECK_THAT(md, Contains("2 of 6 samples so far (running)"));
  CHECK_THAT(md, Contains("| 2/6 |"));
  CHECK_THAT(report.summary(), Contains("TOVA-layer: oom: no memory left"));
  CHECK_THAT(report.file("perplexity.csv"), Contains(",oom,no memory left,6,6,"));
}

TEST_CASE("a run without the full cache has no topline and says so", "[reports][unit]") {
  const Written report = write(
      [](store::RunStore& store) {
        Grid grid;
        grid.with_full = false;
        test::add_grid(store, grid);
      },
      {});
  CHECK(report.has("perplexity.svg"));
  CHECK_FALSE(report.has("cost.svg"));
  CHECK_THAT(report.summary(), Contains("not comparable: Window without sinks breaks"));
  CHECK_THAT(report.summary(), Contains("no cell of Full cache"));
}

TEST_CASE("only the full cache still makes a report", "[reports][unit]") {
  const Written report = write(
      [](store::RunStore& store) {
        Grid grid;
        grid.policies = {};
        test::add_grid(store, grid);
      },
      {});
  CHECK_THAT(report.file("report.md"), Contains("any budget"));
  CHECK_THAT(report.file("report.md"), Contains("nothing to compare"));
  CHECK_FALSE(report.has("perplexity.svg"));
}

TEST_CASE("one book has no interval", "[reports][unit]") {
  const Written report = write(
      [](store::RunStore& store) {
        Grid grid;
        grid.books = {"860"};
        test::add_grid(store, grid);
      },
      {});
  CHECK_THAT(report.file("report.md"), Contains("One book only: no interval can be given."));
  CHECK_THAT(report.file("report.md"), Contains("no test can decide"));
  CHECK_THAT(report.file("perplexity.gp"), !Contains("filledcurves"));
}

TEST_CASE("zero variance gives points and no detectable effect", "[reports][unit]") {
  const Written report = write(
      [](store::RunStore& store) {
        Grid grid;
        grid.mean_nll = [](const std::string& policy, std::optional<std::int64_t> budget,
                           std::size_t) {
          return policy == "full" || *budget >= 2048 ? 3.0 : 3.25;
        };
        test::add_grid(store, grid);
      },
      {});
  CHECK_THAT(report.file("report.md"), Contains("No variance between books"));
  CHECK_THAT(report.file("report.md"), !Contains("nan"));
  CHECK_FALSE(report.result.invariant_violated);
}

TEST_CASE("values that overflow stay out of the plot and do not crash", "[reports][unit]") {
  const Written report = write(
      [](store::RunStore& store) {
        Grid grid;
        grid.mean_nll = [](const std::string& policy, std::optional<std::int64_t>, std::size_t) {
          return policy == "window" ? 800.0 : 3.0;
        };
        test::add_grid(store, grid);
      },
      {});
  CHECK_THAT(report.file("report.md"), Contains("inf"));
  CHECK(report.has("perplexity.png"));
}

TEST_CASE("a violated invariant is reported to the caller", "[reports][unit]") {
  const Written report = write([](store::RunStore& store) {
    Grid grid;
    grid.mean_nll = [](const std::string& policy, std::optional<std::int64_t> budget,
                       std::size_t book) {
      return 3.0 + (policy == "tova" && budget == 2048 && book == 3 ? 1e-4 : 0.0);
    };
    test::add_grid(store, grid);
  });
  CHECK(report.result.invariant_violated);
  CHECK_THAT(report.summary(), Contains("invariant violated"));
  CHECK_THAT(report.summary(), Contains("fails at tova at 2,048"));
}

TEST_CASE("cells of different settings are never mixed", "[reports][unit]") {
  const Written report = write(
      [](store::RunStore& store) {
        test::add_grid(store, {});
        Grid block;
        block.schedule = "block:16";
        block.with_full = false;
        test::add_grid(store, block);
        Grid half;
        half.dtype = "bfloat16";
        test::add_grid(store, half);
      },
      {});
  const std::string md = report.file("report.md");
  CHECK_THAT(md, Contains("Part 3: "));
  CHECK_THAT(md, Contains("block:16"));
  CHECK_THAT(md, Contains("schedule block:16, the paper's is exact"));
  CHECK(report.has("table-3.csv"));
  CHECK(report.has("cost-2.svg"));  // the full cache is the same under every schedule
}

TEST_CASE("exactly the cells asked for are read", "[reports][unit]") {
  const test::TempDir dir;
  auto store = test::make_store(dir / "lethe.db");
  Grid grid;
  test::add_grid(store, grid);
  ReportRequest request = test::request_for(dir / "out");
  request.formats = {"csv"};
  request.cell_keys = {test::cell_key(grid, "full", std::nullopt),
                       test::cell_key(grid, "tova", 256)};
  write_perplexity_report(store, request);
  CHECK(split(text_of(dir / "out/perplexity.csv"), '\n').size() == 4);
  request.cell_keys.push_back(std::string(64, 'f'));
  CHECK_THROWS_WITH(write_perplexity_report(store, request), Contains("ffffffffffff…"));
}

TEST_CASE("wrong requests are refused", "[reports][unit]") {
  const test::TempDir dir;
  auto store = test::make_store(dir / "lethe.db");
  test::add_grid(store, {});
  ReportRequest request = test::request_for(dir / "out");
  request.formats = {"htm"};
  CHECK_THROWS_WITH(write_perplexity_report(store, request), Contains("did you mean 'html'"));
  request.formats = {"html"};
  request.gnuplot = "no-such-gnuplot";
  CHECK_THROWS_WITH(write_perplexity_report(store, request),
                    Contains("apt-get install gnuplot-nox"));
  request.formats = {"md"};
  CHECK_NOTHROW(write_perplexity_report(store, request));
  CHECK_THAT(text_of(dir / "out/report.md"), !Contains("]("));
  write_file_atomically(dir / "file", "x");
  request.out_dir = dir / "file";
  CHECK_THROWS_WITH(write_perplexity_report(store, request), Contains("cannot create the folder"));
  request.data_dir = dir / "nowhere";
  CHECK_THROWS_WITH(write_perplexity_report(store, request), Contains("claims-tova.json"));
}

TEST_CASE("reports are found by name", "[reports][unit]") {
  CHECK(find_report("perplexity").name == "perplexity");
  CHECK_THROWS_WITH(find_report("perplexty"), Contains("did you mean 'perplexity'"));
}
