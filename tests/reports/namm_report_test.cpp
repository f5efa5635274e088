// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <cstdlib>
#include <functional>

#include "harness/base/hash.h"
#include "harness/base/names.h"
#include "harness/base/text.h"
#include "harness/store/cache_size.h"
#include "reports/namm_claims.h"
#include "reports/namm_query.h"
#include "reports/namm_report.h"
#include "reports/report_registry.h"
#include "tests/reports/namm_fixture.h"
#include "tests/reports/report_fixture.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

using namespace lethe;
using namespace lethe::reports;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;
using test::first_ones;
using test::NammCellSpec;

namespace {

/// A database and the report on it.
class Reported {
 public:
  explicit Reported(const std::function<void(store::RunStore&)>& fill,
                    std::vector<std::string> formats = {"md", "csv"})
      : store_(test::make_store(folder_ / "lethe.db")) {
    fill(store_);
    ReportRequest request = test::request_for(folder_ / "out");
    request.suite = "namm";
    request.formats = std::move(formats);
    result_ = find_report("namm").write(store_, request, test::FixedClock());
  }

  const store::RunStore& store() const { return store_; }
  std::string file(const std::string& name) const {
    return read_file(folder_ / "out" / name, ErrorKind::kData);
  }
  bool has(const std::string& name) const {
    return std::filesystem::exists(folder_ / "out" / name);
  }
  std::string summary() const { return join(result_.summary, "\n"); }

 private:
  test::TempDir folder_;
  store::RunStore store_;
  ReportResult result_;
};

Reported report_on(const std::vector<NammCellSpec>& cells) {
  return Reported([&](store::RunStore& store) {
    for (const NammCellSpec& cell : cells) test::add_namm_cell(store, cell);
  });
}

NammCellSpec namm(std::function<double(std::int64_t)> score) {
  return {.policy = "namm:cap=true,weights=namm-recall-1",
          .budget = 96,
          .content = "namm-recall-1",
          .mean_tokens = 99,
          .peak_tokens = 158,
          .score = std::move(score)};
}

/// A policy at NAMM's memory.
NammCellSpec beside(const std::string& policy, std::function<double(std::int64_t)> score) {
  NammCellSpec spec = namm(std::move(score));
  spec.policy = policy;
  spec.content.clear();
  return spec;
}

NammCellSpec full(std::function<double(std::int64_t)> score) {
  return {.schedule = "exact", .score = std::move(score)};
}

/// The outcome of one claim on a database of these cells.
NammClaimOutcome outcome(const std::string& id, const std::vector<NammCellSpec>& cells) {
  const test::TempDir folder;
  auto store = test::make_store(folder / "lethe.db");
  for (const NammCellSpec& cell : cells) test::add_namm_cell(store, cell);
  const auto results = read_namm_results(store, {.suite = "namm", .cell_keys = {}});
  const auto claims = read_namm_claims(test::source_dir() / "data/published");
  std::vector<std::vector<NammComparison>> comparisons;
  for (const NammPanel& panel : results.panels) {
    comparisons.push_back(compare_methods(panel, claims.equal_within));
  }
  for (const NammClaimOutcome& one : check_namm_claims(results, claims, comparisons)) {
    if (one.claim.id == id) return one;
  }
  FAIL("no claim " << id);
  return {};
}

}  // namespace

// A page to look at: LETHE_TRIAL=folder reports_tests "namm trial".
TEST_CASE("namm trial report for a browser", "[.trial]") {
  const char* folder = std::getenv("LETHE_TRIAL");
  REQUIRE(folder != nullptr);
  const std::filesystem::path place = std::filesystem::path(folder) / "namm";
  std::filesystem::create_directories(place);
  auto store = test::make_store(place / "lethe.db");
  test::add_namm_trial(store);
  ReportRequest request = test::request_for(place);
  request.suite = "namm";
  const auto result = write_namm_report(store, request, test::FixedClock());
  for (const auto& line : result.summary) WARN(line);
}

TEST_CASE("a sample's cache in tokens follows from its layers", "[reports][unit]") {
  const auto size = store::cache_size(
      R"([{"mean_lifetime":10.5,"kept_max":8,"live_bytes":80,"peak_live_bytes":160},)"
      R"({"mean_lifetime":11.5,"kept_max":6,"live_bytes":0,"peak_live_bytes":0}])",
      "sample a");
  REQUIRE(size);
  CHECK(size->mean == Approx(11));
  CHECK(size->peak == Approx(11));
  CHECK_FALSE(store::cache_size("", "sample a"));
  CHECK_FALSE(store::cache_size("[]", "sample a"));
  // As older engines stored it.
  CHECK_FALSE(store::cache_size(R"([{"seen":33,"kept_max":33}])", "sample a"));
  CHECK_THROWS_WITH(store::cache_size("{}", "sample a"),
                    StartsWith("sample a: layers: expected an array"));
}

TEST_CASE("a row shows memory, score, ratio and the paired difference", "[reports][unit]") {
  const Reported report(test::add_namm_trial);
  const std::string table = report.file("policies.csv");
  CAPTURE(table);
  // 40 of 40; tokens 257 and 513: means of two layers.
  CHECK_THAT(table, Contains("Full cache,seed 0,–,exact,257.0,513.0,100.0 %,100.0 %,more (mean "
                             "×2.57),\"100.00 [100.00, 100.00]\",1.000,40/40,"));
  CHECK_THAT(table,
             Contains(",namm-recall-1,96,block:64,100.0,159.0,38.9 %,31.0 %,NAMM,\"75.00 ["));
  CHECK_THAT(table, Contains("\"NAMM namm-recall, capped\",mean of 3 "
                             "seeds,96,block:64,100.0,159.0,38.9 %,31.0 %,NAMM,\"80.00 ["));
  CHECK_THAT(table, Contains("seeds 75.00 to 85.00\",0.800,120/120,–,–\n"));
  CHECK_THAT(table, Contains("Random,seed 0,96,block:64,100.0,159.0,38.9 %,31.0 %,equal mean and "
                             "peak,\"25.00 ["));
  CHECK_THAT(table, Contains(",0.250,40/40,\"+55.00 ["));
  CHECK_THAT(table,
             Contains("H2O,seed 0,96,block:64,100.0,201.0,38.9 %,39.2 %,equal mean (peak ×1.26),"));
  CHECK_THAT(table,
             Contains("L2,seed 0,96,block:64,81.0,159.0,31.5 %,31.0 %,equal peak (mean ×0.81),"));
  CHECK_THAT(table,
             Contains("Truncated input,seed 0,96,block:64,50.0,97.0,19.5 %,18.9 %,less (mean "
                      "×0.50),"));
  CHECK_THAT(table, Contains("TOVA,seed 0,96,block:64,–,–,–,–,–,–,–,3/40,–,–\n"));
  CHECK_THAT(report.file("report.md"), Contains("oom: out of memory (3 of 40 samples were done)"));
  CHECK_THAT(report.file("report.md"), Contains("Evolved on this task."));
  CHECK_THAT(report.file("report.md"), Contains("is the mechanism"));
}

TEST_CASE("verdicts of a whole trial", "[reports][unit]") {
  const Reported report(test::add_namm_trial);
  const std::string summary = report.summary();
  CAPTURE(summary);
  CHECK_THAT(summary,
             Contains("mean of 3 seeds, mean 100.0 and peak 159.0 tokens per layer, ×0.800 "
                      "of the full cache"));
  CHECK_THAT(summary, Contains("reproduced: As a mechanism: NAMM answers better than random"));
  CHECK_THAT(summary, Contains("reproduced: As a mechanism: NAMM answers better than H2O"));
  CHECK_THAT(summary, Contains("not reproduced: NAMM answers better than L2"));
  CHECK_THAT(summary, Contains("no difference is shown"));
  // The truncated input of equal memory is the one that is compared.
  CHECK_THAT(summary, Contains("not reproduced: NAMM answers better than reading only"));
  CHECK_THAT(summary, Contains("NAMM is worse"));
  CHECK_THAT(summary, Contains("not reproduced: NAMM answers at least as well as the full cache"));
  CHECK_THAT(summary, Contains("not comparable: NAMM keeps at most 25.7 %"));
  CHECK_THAT(summary, Contains("reproduced: As a mechanism: Evolution improves on its start"));
}

TEST_CASE("a better mean alone proves nothing", "[reports][unit]") {
  // One of 40 more, then a tie.
  auto checked = outcome("above-l2", {namm(first_ones(21)), beside("l2", first_ones(20))});
  CHECK(checked.verdict() == Verdict::kNotReproduced);
  CHECK_THAT(checked.summary(), Contains("better by +2.50 points") && Contains("p = 1.000"));
  CHECK_THAT(checked.summary(), Contains("no difference is shown"));
  checked = outcome("above-l2", {namm(first_ones(20)), beside("l2", first_ones(20))});
  CHECK(checked.verdict() == Verdict::kNotReproduced);
  CHECK_THAT(checked.summary(), Contains("+0.00 points [0.00, 0.00], p = 1.000"));
  checked = outcome("above-l2", {namm(first_ones(30)), beside("l2", first_ones(20))});
  CHECK(checked.verdict() == Verdict::kReproduced);
  CHECK_THAT(checked.statement(), StartsWith("As a mechanism: "));
  CHECK_THAT(checked.summary(), Contains("1 seed of NAMM (fewer than 3)"));
}

TEST_CASE("Holm's correction counts every difference of a task", "[reports][unit]") {
  // 7 of 40: p = 2/128 alone; of five comparisons it is no longer below 5 %.
  std::vector<NammCellSpec> cells{namm(first_ones(27)), beside("l2", first_ones(20))};
  CHECK(outcome("above-l2", cells).verdict() == Verdict::kReproduced);
  for (const char* policy : {"tova", "h2o", "window", "random"}) {
    cells.push_back(beside(policy, first_ones(20)));
  }
  CHECK(outcome("above-l2", cells).verdict() == Verdict::kNotReproduced);
}

TEST_CASE("what cannot be compared says why", "[reports][unit]") {
  auto l2 = beside("l2", first_ones(1));
  l2.mean_tokens = 40;
  l2.peak_tokens = 60;
  auto checked = outcome("above-l2", {namm(first_ones(30)), l2});
  CHECK(checked.verdict() == Verdict::kNotComparable);
  CHECK_THAT(checked.summary(), Contains("no equal memory; L2 96, block:64: less (mean ×0.41)"));
  l2.with_layers = false;
  CHECK_THAT(outcome("above-l2", {namm(first_ones(30)), l2}).summary(), Contains("not known"));
  checked = outcome("above-l2", {namm(first_ones(30))});
  CHECK_THAT(checked.summary(), Contains("no number of L2 on the same prompts"));
  CHECK_THAT(outcome("keeps", {namm(first_ones(30))}).summary(), Contains("no full-cache cell"));
  CHECK_THAT(outcome("rises", {namm(first_ones(30))}).summary(),
             Contains("no number of Window 96, block:64"));
  auto other = beside("window", first_ones(3));
  other.schedule = "exact";
  CHECK(outcome("rises", {namm(first_ones(30)), other}).verdict() == Verdict::kNotComparable);
  auto free = namm(first_ones(30));
  free.budget.reset();
  free.policy = "namm:weights=namm-recall-1";
  CHECK_THAT(outcome("rises", {free}).summary(), Contains("no cap"));
  auto failed = namm(first_ones(30));
  failed.status = store::CellStatus::kFailed;
  CHECK_THAT(outcome("above-l2", {failed, beside("l2", first_ones(20))}).summary(),
             Contains("NAMM has no number"));
  // One prompt says nothing of others.
  auto one = namm(first_ones(1));
  auto another = beside("l2", first_ones(0));
  one.samples = another.samples = 1;
  CHECK(outcome("above-l2", {one, another}).verdict() == Verdict::kNotComparable);
}

TEST_CASE("the full cache is kept where a loss is ruled out", "[reports][unit]") {
  CHECK(outcome("keeps", {full(first_ones(30)), namm(first_ones(30))}).verdict() ==
        Verdict::kReproduced);
  auto checked = outcome("keeps", {full(first_ones(30)), namm(first_ones(29))});
  CHECK(checked.verdict() == Verdict::kNotReproduced);
  CHECK_THAT(checked.summary(), Contains("×0.967") && Contains("a loss is not ruled out"));
  CHECK_THAT(outcome("keeps", {full(first_ones(40)), namm(first_ones(10))}).summary(),
             Contains("below the full cache"));
  // A base near zero makes no ratio.
  checked = outcome("keeps", {full(first_ones(0)), namm(first_ones(10))});
  CHECK(checked.verdict() == Verdict::kNotComparable);
  CHECK_THAT(checked.summary(), Contains("base below 2 points"));
}

TEST_CASE("tasks that it was evolved on stand apart", "[reports][unit]") {
  const Reported report([](store::RunStore& store) {
    for (const char* task : {"longbench-qasper", "longbench-lcc", "longbench-trec"}) {
      const std::string name(task);
      const std::int64_t base = name == "longbench-trec" ? 0 : 20;
      auto all = full(first_ones(base));
      auto own = namm(first_ones(name == "longbench-lcc" ? 30 : 10));
      auto h2o = beside("h2o", first_ones(15));
      for (NammCellSpec* cell : {&all, &own, &h2o}) {
        cell->task = task;
        cell->model = "smollm2-135m";
        test::add_namm_cell(store, *cell);
      }
    }
    test::add_namm_training(store, "namm-recall-1", 1, {"longbench-qasper"});
  });
  const std::string tasks = report.file("tasks.csv");
  CAPTURE(tasks);
  CHECK_THAT(tasks, Contains("longbench-qasper 512 tokens,yes,25.00,50.00,\"-25.00 ["));
  CHECK_THAT(tasks, Contains(",0.500,12.79\n"));
  CHECK_THAT(tasks, Contains("\"Mean, evolved on 1 task\",yes,25.00,50.00,-25.00,0.500,–\n"));
  // The ratio of a base of 0 is left out of the mean of ratios, its score is not.
  CHECK_THAT(tasks, Contains("\"Mean, not evolved on 2 tasks\",no,50.00,25.00,+25.00,1.500,–\n"));
  const std::string means = report.file("means.csv");
  CAPTURE(means);
  CHECK_THAT(means,
             Contains("\"NAMM namm-recall, capped 96, block:64\",NAMM,25.00,0.500,50.00,1.500,"
                      "29.33,1.11\n"));
  CHECK_THAT(means, Contains("\"Full cache, exact\",equal in 0 of 3 tasks,50.00,1.000,25.00,1.000,"
                             "28.86,1\n"));
  CHECK_THAT(means, Contains("\"H2O 96, block:64\",equal in 3 of 3 tasks,37.50,0.750,37.50,0.750,"
                             "not known,not known\n"));
  const std::string page = report.file("report.md");
  CHECK_THAT(page, Contains("H2O in the paper, recalled as 28.37: recalled, not read"));
  CHECK_THAT(page, Contains("transferred from the model recall"));
  CHECK_THAT(report.summary(), Contains("not the paper's model"));
}

TEST_CASE("a missing training leaves it unknown", "[reports][unit]") {
  const Reported report = report_on({full(first_ones(40)), namm(first_ones(30))});
  CHECK_THAT(report.file("tasks.csv"), Contains("recall 512 tokens,unknown,75.00,100.00,"));
  CHECK_THAT(report.file("tasks.csv"), Contains("\"Mean, unknown whether evolved on 1 task\""));
  CHECK_THAT(report.file("report.md"), Contains("holds no training run of NAMM"));
  CHECK_THAT(report.file("report.md"), Contains("no training run with these parameters"));
  CHECK_FALSE(report.has("evolution.csv"));
}

TEST_CASE("a task of another length is named so", "[reports][unit]") {
  const Reported report([](store::RunStore& store) {
    for (NammCellSpec cell : {full(first_ones(40)), namm(first_ones(30))}) {
      cell.length = 1024;
      test::add_namm_cell(store, cell);
    }
    test::add_namm_training(store, "namm-recall-1", 1);
  });
  CHECK_THAT(report.file("tasks.csv"),
             Contains("\"recall 1,024 tokens\",\"yes, at 512 tokens\",75.00,100.00,"));
}

TEST_CASE("evolutions show entry, best and tokens kept", "[reports][unit]") {
  const Reported report(test::add_namm_trial);
  const std::string table = report.file("evolution.csv");
  CAPTURE(table);
  CHECK_THAT(table, Contains("namm-recall,2,done,10,0.4000,0.9000,5,0.7500,92.0,160.0," +
                             sha256_hex("namm-recall-2").substr(0, 12) + ",yes\n"));
}

TEST_CASE("a text is judged by its perplexity", "[reports][unit]") {
  const auto at = [](double nll) { return [nll](std::int64_t) { return nll; }; };
  auto all = full({});
  auto own = namm({});
  auto window = beside("window", {});
  all.mean_nll = at(std::log(20));
  own.mean_nll = at(std::log(25));
  window.mean_nll = at(std::log(50));
  for (NammCellSpec* cell : {&all, &own, &window}) cell->task = "pg19";
  const Reported report = report_on({all, own, window});
  const std::string table = report.file("policies.csv");
  CAPTURE(table);
  CHECK_THAT(table, Contains(",NAMM,\"25.00 [25.00, 25.00]\",0.800,40/40,–,–\n"));
  CHECK_THAT(table, Contains("\"50.00 [50.00, 50.00]\",0.400,40/40,\"+0.6931 [0.6931, 0.6931]\","));
  CHECK_FALSE(report.has("means.csv"));
  const auto checked = outcome("rises", {all, own, window});
  CHECK(checked.verdict() == Verdict::kReproduced);
  CHECK_THAT(checked.statement(), StartsWith("Evolution"));
}

TEST_CASE("seeds are found in the names of weights", "[reports][unit]") {
  CHECK(without_training_seed("namm:cap=true,weights=namm-recall-2") ==
        "namm:cap=true,weights=namm-recall");
  CHECK(without_training_seed("namm:weights=recall") == "namm:weights=recall");
  CHECK(without_training_seed("namm") == "namm");
  CHECK(without_training_seed("window:sinks=4") == "window:sinks=4");
}

TEST_CASE("missing seeds and samples are seen", "[reports][unit]") {
  auto second = namm(first_ones(10));
  second.policy = "namm:cap=true,weights=namm-recall-2";
  second.status = store::CellStatus::kCrashed;
  second.reason = "the worker ended";
  auto short_one = beside("h2o", first_ones(10));
  short_one.wanted = 50;
  const Reported report =
      report_on({full(first_ones(40)), namm(first_ones(30)), second, short_one});
  const std::string page = report.file("report.md");
  CHECK_THAT(page, Contains("crashed: the worker ended"));
  CHECK_THAT(page, Contains("Mean of 1 of 2 seeds: the others have no number"));
  CHECK_THAT(page, Contains("Not all samples are there yet."));
  CHECK_THAT(report.file("policies.csv"), Contains(",40/50,"));
}

TEST_CASE("a database without NAMM says so", "[reports][unit]") {
  const Reported empty([](store::RunStore&) {});
  CHECK(empty.summary() == "no cell of policy namm: nothing to show yet");
  CHECK_THAT(empty.file("report.md"), Contains("nothing to show"));
  const Reported others = report_on({full(first_ones(40))});
  CHECK_THAT(others.file("report.md"), Contains("Cells of other policies: 1."));
  const Reported trained(
      [](store::RunStore& store) { test::add_namm_training(store, "namm-recall-1", 1); });
  CHECK(trained.has("evolution.csv"));
  CHECK_THAT(trained.file("report.md"), Contains("nothing to show"));
}

TEST_CASE("pictures of a trial are drawn", "[reports]") {
  const Reported report(test::add_namm_trial, {"html", "svg"});
  CHECK(report.has("index.html"));
  CHECK(report.has("memory.svg"));
  CHECK(report.has("evolution.svg"));
}
