// SPDX-License-Identifier: Apache-2.0
// The reports on retention, efficiency and extrapolation, on databases made by hand.
#include <cmath>
#include <memory>

#include <boost/regex.hpp>

#include "harness/base/names.h"
#include "harness/base/text.h"
#include "reports/report_registry.h"
#include "tests/reports/report_fixture.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

using namespace lethe;
using namespace lethe::reports;
using Catch::Matchers::Contains;
using store::CellStatus;
using test::CellSpec;

namespace {

/// A database and the report on it, as Markdown and CSV.
class Reported {
 public:
  Reported(const std::string& name, const std::vector<CellSpec>& cells)
      : store_(test::make_store(folder_ / "lethe.db")) {
    for (const CellSpec& cell : cells) test::add_cell(store_, cell);
    ReportRequest request = test::request_for(folder_ / "out");
    request.formats = {"md", "csv"};
    result_ = find_report(name).write(store_, request, test::FixedClock());
  }

  std::string file(const std::string& name) const {
    return read_file(folder_ / "out" / name, ErrorKind::kData);
  }
  std::string markdown() const { return file("report.md"); }
  std::string summary() const { return join(result_.summary, "\n"); }
  /// The rows of the n-th query that the report prints.
  std::vector<std::vector<json::value>> query(std::size_t n) const {
    const std::string text = markdown();
    boost::sregex_iterator at(text.begin(), text.end(), boost::regex("```sql\n(.*?)\n```"));
    std::advance(at, static_cast<std::ptrdiff_t>(n));
    REQUIRE(at != boost::sregex_iterator());
    return store_.query((*at)[1].str()).rows;
  }

 private:
  test::TempDir folder_;
  store::RunStore store_;
  ReportResult result_;
};

store::SampleRecord named(const std::string& id) {
  store::SampleRecord sample;
  sample.sample_id = id;
  return sample;
}

/// Batches of an efficiency cell: lanes, and the rate of a lane in each full batch.
CellSpec batches(const std::string& policy, std::optional<std::int64_t> budget, std::int64_t mib,
                 std::int64_t lanes, const std::vector<double>& rates) {
  CellSpec cell{.task = "efficiency", .policy = policy, .budget = budget};
  cell.identity = {{"memory_mib", mib}, {"new", 8}};
  for (const double rate : rates) {
    for (std::int64_t lane = 0; lane < lanes; ++lane) {
      store::SampleRecord sample = named("7/" + std::to_string(cell.samples.size()));
      sample.output = canonical_json(json::object{{"lanes", lanes}, {"text", ""}});
      sample.peak_bytes = (mib << 20) / lanes;
      sample.decode_tokens_per_s = rate;
      cell.samples.push_back(std::move(sample));
    }
  }
  return cell;
}

/// A cell of texts whose NLL is the same at every token of a book.
CellSpec texts(const std::string& policy, const std::string& positions,
               const std::vector<double>& nll, std::int64_t length = 70) {
  CellSpec cell{.policy = policy, .budget = 16, .positions = positions, .length = length};
  for (const double value : nll) {
    store::SampleRecord sample = named(std::to_string(cell.samples.size()) + "/0");
    const auto tokens = static_cast<std::size_t>(length - 1);
    sample.tokens_scored = length - 1;
    sample.nll_trace.assign(tokens, static_cast<float>(value));
    sample.nll_sum = value * static_cast<double>(tokens);
    cell.samples.push_back(std::move(sample));
  }
  return cell;
}

/// A retention cell, one sample a book: recency shares, first token's and later tokens' steps.
CellSpec kept(const std::string& policy, std::int64_t budget, const std::vector<double>& shares,
              double nll = 3, double first = 64, double next = 10) {
  CellSpec cell{.task = "retention", .policy = policy, .budget = budget};
  for (const double share : shares) {
    store::SampleRecord sample = named(std::to_string(cell.samples.size()) + "/0");
    sample.tokens_scored = 63;
    sample.nll_sum = (nll + 0.01 * static_cast<double>(cell.samples.size())) * 63;
    sample.output = canonical_json(json::object{
        {"recency_share", share},
        {"mean_lifetime", 12},
        {"layers", json::array{share, nullptr}},
        {"first", json::array{first, next}},
        {"tags", json::object{{".", json::object{{"tokens", 30}, {"mean_lifetime", 20 + share}}},
                              {"TO", json::object{{"tokens", 10}, {"mean_lifetime", 8.0}}}}}});
    cell.samples.push_back(std::move(sample));
  }
  return cell;
}

CellSpec failed(CellSpec cell, const std::string& reason) {
  cell.wanted = static_cast<std::int64_t>(cell.samples.size());
  cell.samples.clear();
  cell.status = CellStatus::kFailed;
  cell.reason = reason;
  return cell;
}

}  // namespace

TEST_CASE("a batch is compared with the full cache of the same memory", "[reports][unit]") {
  const Reported report("efficiency",
                        {batches("full", {}, 8, 2, {10}), batches("tova", 16, 8, 4, {10}),
                         batches("full", {}, 16, 4, {20}), batches("tova", 16, 16, 8, {30}),
                         texts("tova", "original", {1, 2})});
  const std::string md = report.markdown();
  CAPTURE(md);
  CHECK_THAT(md, Contains("Part 2: efficiency") && Contains("cells like"));
  CHECK_THAT(md, !Contains("Part 3") && !Contains("pg19"));
  CHECK_THAT(report.file("efficiency.csv"), Contains("tova,16,") && Contains(",4,2.00,"));
  CHECK_THAT(report.file("efficiency-2.csv"), Contains("tova,16,") && Contains(",8,2.00,"));
  CHECK_THAT(report.summary(), Contains("4 samples at once, 40 tokens/s, 2.00 times") &&
                                   Contains("8 samples at once, 240 tokens/s, 3.00 times"));
}

TEST_CASE("throughput is tokens by time, with its slowest and fastest batch", "[reports][unit]") {
  const Reported report(
      "efficiency", {batches("full", {}, 8, 2, {10, 30}), batches("tova", 8, 8, 4, {10, 10, 10}),
                     batches("window", 8, 8, 4, {20})});
  const std::string md = report.markdown();
  CAPTURE(md);
  // Two batches of the same tokens: 1 / ((1/20 + 1/60) / 2).
  CHECK_THAT(md, Contains("| 30 20 to 60 | 1.00 | 1.00 | 2 |"));
  CHECK_THAT(md, Contains("| 40 40 to 40 | 1.33 |") && Contains("| 80 | 2.67 | – | 1 |"));
  CHECK(report.query(0).size() == 3);
  // The paper's figures are TOVA's: 139, 70, 35, 17 and 8 at once.
  CHECK_THAT(md, Contains("| 4 | 2.00 | 8.75 |") && Contains("| 4 | 2.00 | – |"));
  CHECK_THAT(md, Contains("the last 8") && Contains("8 MiB"));
}

TEST_CASE("a cell without batches says why, and one with too few samples", "[reports][unit]") {
  CellSpec half = batches("tova", 16, 8, 4, {10});
  half.wanted = 9;
  half.status = CellStatus::kRunning;
  const Reported report("efficiency", {failed(batches("full", {}, 8, 2, {10}), "no memory"), half});
  const std::string md = report.markdown();
  CAPTURE(md);
  CHECK_THAT(md, Contains("failed: no memory (0 of 2"));
  CHECK_THAT(md, Contains("4 of 9 samples so far (running)"));
  CHECK_THAT(report.summary(), Contains("full: failed: no memory"));
  CHECK_THAT(Reported("efficiency", {}).summary(), Contains("nothing to report yet"));
}

TEST_CASE("policies are compared on the beginnings that both have read", "[reports][unit]") {
  CellSpec window = texts("window:sinks=4", "original", {1.1});
  window.wanted = 2;
  window.status = CellStatus::kRunning;
  const Reported report("extrapolation", {texts("tova", "compressed", {1, 5}), window});
  const std::string md = report.markdown();
  CAPTURE(md);
  CHECK_THAT(report.summary(),
             Contains("reproduced: TOVA's perplexity is at most that of Window+4 at every length "
                      "(compressed against original positions, budget 16)") &&
                 Contains("at the end × 0.905, p 1.000, on 1 sample of both"));
  CHECK_THAT(md, Contains("1 of 2 samples so far (running)"));
  CHECK_THAT(md, Contains("tova, compressed positions − window:sinks=4, original positions"));
  // exp of the mean of 1 and 5, and an interval over two books.
  CHECK_THAT(report.file("extrapolation.csv"), Contains("20.09 ["));
  const auto rows = report.query(0);
  REQUIRE(rows.size() == 2);
  for (std::size_t point = 0; point < 7; ++point) {
    CHECK(rows[0][6 + point].as_double() == Approx(std::exp(3)));
    CHECK(rows[1][6 + point].as_double() == Approx(std::exp(1.1)));
  }
  const auto differences = report.query(1);
  REQUIRE(differences.size() == 1);
  CHECK(differences[0][6].as_double() == Approx(-0.1));
  CHECK(differences[0][7].as_int64() == 1);
}

TEST_CASE("texts of several lengths stand apart, failed cells with their reason",
          "[reports][unit]") {
  const Reported report("extrapolation",
                        {texts("tova", "original", {1, 2}), texts("tova", "original", {3, 4}, 140),
                         failed(texts("window:sinks=4", "cache-relative", {1, 2}), "no memory"),
                         kept("tova", 16, {0.5})});
  const std::string md = report.markdown();
  CAPTURE(md);
  CHECK_THAT(md, Contains("Part 2: pg19, smollm2-135m, 140 tokens") && !Contains("Part 3"));
  CHECK_THAT(md, Contains("failed: no memory (0 of 2 samples were done)"));
  CHECK_THAT(report.file("extrapolation-2.csv"),
             Contains("tokens: 140") && Contains(",\"33.12 [") && !Contains("4.48"));
}

TEST_CASE("recency is checked at an eighth of the length and nowhere else", "[reports][unit]") {
  const Reported other("retention", {kept("tova", 16, {0.74, 0.75})});
  CHECK_THAT(other.summary(), Contains("not comparable: Of the tokens that TOVA keeps") &&
                                  Contains("no cell of tova at 0.125 of the length (8 of 64)"));
  CHECK_THAT(other.markdown(), Contains("The paper's is left out") &&
                                   Contains("at budget 16, of the mean") &&
                                   !Contains(": LLaMA-2-7B |"));
  const Reported eighth("retention", {kept("tova", 8, {0.74, 0.75})});
  CHECK_THAT(eighth.summary(), Contains("reproduced: Of the tokens that TOVA keeps"));
  CHECK_THAT(eighth.markdown(), Contains(": LLaMA-2-7B |"));
}

TEST_CASE("claims about what stays leave budgets of the whole text out", "[reports][unit]") {
  const Reported report("retention",
                        {kept("tova", 8, {0.74, 0.75}), kept("tova", 64, {1, 1}, 3, 64, 62)});
  CHECK_THAT(report.summary(), Contains("reproduced: The first token stays to the end") &&
                                   Contains("of 64, at budget 8: 64 and 10 steps)"));
}

TEST_CASE("equal shares have no variance, whatever their sum rounds to", "[reports][unit]") {
  const Reported report("retention", {kept("window:sinks=4", 8, std::vector<double>(6, 0.9375)),
                                      kept("h2o", 8, std::vector<double>(6, 0.1))});
  CHECK_THAT(report.markdown(), Contains("| h2o | 10.0 % \\[10.0, 10.0]<sup>2</sup> |") &&
                                    Contains("2. No variance between books"));
}

TEST_CASE("retention tables have reasons, paired tests and their queries", "[reports][unit]") {
  CellSpec half = kept("window", 8, {1});
  half.wanted = 3;
  half.status = CellStatus::kRunning;
  const Reported report(
      "retention",
      {kept("tova", 8, {0.7, 0.8, 0.75}), kept("tova:sinks=1", 8, {0.7, 0.8, 0.9}, 3.2),
       kept("tova:sinks=4", 8, {0.7, 0.8, 0.9}, 3.1), half,
       failed(kept("h2o", 8, {1, 1, 1}), "no memory"), texts("tova", "original", {1, 2})});
  const std::string md = report.markdown();
  CAPTURE(md);
  CHECK_THAT(md, !Contains("Part 2"));
  CHECK_THAT(md, Contains("failed: no memory (0 of 3 samples were done)"));
  CHECK_THAT(md, Contains("1 of 3 samples so far (running)") && Contains("One book only"));
  CHECK_THAT(md, Contains("- Books: 3") && Contains("- Samples: 3 of 3"));
  CHECK_THAT(md, Contains("tova:sinks=1 − tova | 8 | +0.2000") && Contains("p (Holm)"));
  CHECK_THAT(report.summary(), Contains("not reproduced: Keeping the first one or four") &&
                                   Contains("largest difference +0.2000 nats (tova:sinks=1 at 8)"));
  CHECK_THAT(report.summary(), Contains("8: 21 against 8 steps (by sample +13 ["));
  const auto recency = report.query(0);
  REQUIRE(recency.size() == 4);
  CHECK(recency[0][0] == "tova");
  CHECK(recency[0][2].as_double() == Approx(0.75));
  CHECK_THAT(md, Contains("| tova:sinks=1 | 80.0 % \\[55.2, 100.0] |"));
  CHECK_THAT(md, Contains("| tova | 75.0 % \\[62.6, 87.4] |"));
  const auto first = report.query(1);
  REQUIRE(first.size() == 8);
  CHECK(first[1][3].as_double() == Approx(10));
  const auto tags = report.query(2);
  REQUIRE(tags.size() == 8);
  CHECK(tags[0][3].as_int64() == 90);
  CHECK(tags[0][4].as_double() == Approx(20.75));
  const auto sinks = report.query(3);
  REQUIRE(sinks.size() == 2);
  CHECK(sinks[0][3].as_double() == Approx(0.2));
}
