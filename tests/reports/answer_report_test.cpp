// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdlib>
#include <functional>

#include <boost/regex.hpp>

#include "harness/base/text.h"
#include "reports/answer_audit.h"
#include "reports/answer_report.h"
#include "reports/answer_tables.h"
#include "reports/report_registry.h"
#include "tests/reports/answer_writing.h"
#include "tests/reports/report_fixture.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

using namespace lethe;
using namespace lethe::reports;
using Catch::Matchers::Contains;
using test::AnswerGrid;
using test::AnswerSpec;
using test::AnswerTaskSpec;

namespace {

/// Leaves one cell out, as a grid does that excludes it.
void add_without(store::RunStore& store, AnswerGrid grid, const std::string& left_out) {
  AnswerGrid rest = grid;
  std::erase_if(rest.tasks, [&](const auto& task) { return task.title == left_out; });
  test::add_answers(store, rest);
  std::erase_if(grid.tasks, [&](const auto& task) { return task.title != left_out; });
  grid.budgets = {512};
  test::add_answers(store, grid);
}

}  // namespace

// Pages to look at, of made-up databases: LETHE_TRIAL=folder reports_tests "[.trial]", with
// LETHE_TRIAL_RECORDS=N of every task.
TEST_CASE("trial reports for a browser", "[.trial]") {
  const char* folder = std::getenv("LETHE_TRIAL");
  REQUIRE(folder != nullptr);
  const char* given = std::getenv("LETHE_TRIAL_RECORDS");
  const auto records = static_cast<std::size_t>(given ? std::stoul(given) : 13);
  for (auto grid : {test::longbench_trial(records), test::tova_trial(records)}) {
    const std::filesystem::path place = std::filesystem::path(folder) / grid.suite;
    std::filesystem::create_directories(place);
    auto store = test::make_store(place / "lethe.db");
    test::add_answers(store, grid);
    ReportRequest request = test::request_for(place);
    request.suite = grid.suite;
    const auto result = write_answer_report(store, request, test::FixedClock());
    for (const auto& line : result.summary) WARN(line);
  }
}

TEST_CASE("scores, means and differences of a small grid", "[reports][unit]") {
  const test::WrittenAnswers report = test::write_answers(
      [](store::RunStore& store) { test::add_answers(store, test::small_answer_grid()); });
  const std::string scores = report.file("scores.csv");
  // Groups: (50 + 40) / 2 and 80; over groups 62.5, over tasks 56.67.
  CHECK_THAT(scores, Contains("\nFirst mean of 2 tasks,,\"45.00 "));
  CHECK_THAT(scores, Contains("\n\"c Second, qa_f1_score\",4,\"80.00 ["));
  CHECK_THAT(scores, Contains("\nOverall mean of 2 groups,,\"62.50 "));
  CHECK_THAT(scores, Contains("\nAll tasks mean of 3 tasks,,\"56.67 "));
  CHECK_THAT(scores, Contains("Task,n,Full cache,TOVA 256,TOVA 512\n"));
  // Every sample loses exactly 20 or 10 points.
  const std::string differences = report.file("differences.csv");
  CHECK_THAT(differences,
             Contains("TOVA (tova),256,-20.00,\"[-20.00, -20.00]\",0.031,0.062,–,12,6"));
  CHECK_THAT(differences, Contains("TOVA (tova),512,-10.00,"));
  CHECK_THAT(report.file("task-differences.csv"), Contains("b,TOVA (tova),256,-20.00,"));
  // (30/50 + 20/40 + 60/80) / 3.
  CHECK_THAT(report.file("normalised.csv"), Contains("All tasks mean of the ratios,,0.617,0.808"));
  CHECK_THAT(report.file("inputs.csv"),
             Contains("a,4,\"1,000\",\"1,000\",none,–,middle,32,25 %,yes,shipped sample"));
  CHECK_FALSE(report.has("lengths.csv"));
  CHECK_THAT(report.file("report.md"), Contains("no prompt"));
  CHECK(report.result.summary.front() ==
        "smollm2-135m, LongBench, mean of 3 tasks: full cache 56.67 points; against it: TOVA "
        "-20.00 (256), -10.00 (512).");
}

TEST_CASE("every query of the answer report gives its numbers", "[reports][integration]") {
  const test::TempDir dir;
  auto store = test::make_store(dir / "lethe.db");
  for (auto grid : {test::longbench_trial(5), test::tova_trial(5)}) {
    test::add_answers(store, grid);
    const Selection selection{.suite = grid.suite, .cell_keys = {}};
    const auto panels = read_answer_panels(store, selection);
    REQUIRE(panels.size() == 1);
    const AnswerPanel& panel = panels[0];
    const auto place_of = [&](const std::vector<json::value>& row, std::size_t policy) {
      const auto budget =
          row[policy + 1].is_null() ? std::nullopt : std::optional(row[policy + 1].as_int64());
      std::size_t task = 0;
      while (panel.tasks.at(task).name != row[0].as_string()) ++task;
      return std::pair(task, *panel.column({std::string(row[policy].as_string()), budget}));
    };
    const auto scores = store.query(scores_sql(panel));
    CHECK(scores.rows.size() == panel.cells.size());
    for (const auto& row : scores.rows) {
      const auto [task, column] = place_of(row, 1);
      const Points points = task_points(panel.tasks[task], panel.find(task, column)->samples);
      CHECK(row[5].as_double() == Approx(points.value).epsilon(1e-12));
      CHECK(row[7].as_int64() == static_cast<std::int64_t>(points.clusters));
    }
    const auto differences = store.query(score_differences_sql(panel));
    CHECK(differences.rows.size() == panel.cells.size() - panel.tasks.size());
    for (const auto& row : differences.rows) {
      const auto [task, column] = place_of(row, 1);
      const auto found =
          compare_columns(panel, std::vector<std::size_t>{task}, column, *panel.full());
      CHECK(row[3].as_double() == Approx(found->delta.value).margin(1e-10));
      CHECK(row[4].as_int64() == static_cast<std::int64_t>(found->delta.n));
    }
    CHECK_FALSE(store.query(length_scores_sql(panel)).rows.empty());
    CHECK(store.query(answers_sql(panel)).rows.size() == 5 * panel.cells.size());
  }
}

TEST_CASE("a query keeps to the cells of its part", "[reports][integration]") {
  // Beside the small grid: other numbers of keys and values, another engine, another schedule with
  // a full cache of its own, another version of a task. Each scores otherwise.
  const test::TempDir dir;
  auto store = test::make_store(dir / "lethe.db");
  const auto add = [&](double less, const std::function<void(AnswerGrid&)>& change) {
    AnswerGrid grid = test::small_answer_grid();
    grid.answering = [less, answering = grid.answering](
                         const AnswerTaskSpec& task, const std::string& policy,
                         std::optional<std::int64_t> budget, std::size_t record) {
      AnswerSpec answer = answering(task, policy, budget, record);
      *answer.score -= budget ? less : less / 2;
      return answer;
    };
    change(grid);
    test::add_answers(store, grid);
  };
  add(0, [](AnswerGrid&) {});
  add(0.02, [](AnswerGrid& grid) { grid.kv_dtype = "int8"; });
  add(0.04, [](AnswerGrid& grid) { grid.engine_version = 2; });
  add(0.06, [](AnswerGrid& grid) { grid.schedule = "exact"; });
  add(0.08, [](AnswerGrid& grid) {
    grid.tasks = {grid.tasks[0]};
    grid.tasks[0].version = 2;
  });
  const Selection selection{.suite = "longbench-mini", .cell_keys = {}};
  const auto panels = read_answer_panels(store, selection);
  REQUIRE(panels.size() == 4);
  for (const AnswerPanel& panel : panels) {
    CAPTURE(panel_name(panel));
    const auto scores = store.query(scores_sql(panel));
    CHECK(scores.rows.size() == panel.cells.size());
    std::vector<double> expected;
    for (const ScoreDifference& row : task_differences(panel)) expected.push_back(row.delta.value);
    std::vector<double> found;
    for (const auto& row : store.query(score_differences_sql(panel)).rows) {
      found.push_back(row[3].as_double());
    }
    std::sort(expected.begin(), expected.end());
    std::sort(found.begin(), found.end());
    REQUIRE(found.size() == expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      CHECK(found[i] == Approx(expected[i]).margin(1e-10));
    }
  }
}

TEST_CASE("saved queries tell scores and answers", "[reports][integration]") {
  const test::TempDir dir;
  auto store = test::make_store(dir / "lethe.db");
  test::add_answers(store, test::small_answer_grid());
  test::add_answers(store, test::tova_trial(5));
  const auto saved = [&](const std::string& name) {
    return store.query(read_text_file(test::source_dir() / "data/queries" / (name + ".sql")));
  };
  const auto scores = saved("scores-by-task");
  CHECK(scores.rows.size() == 9 + 20);
  const auto column = [](const store::QueryResult& result, const std::string& name) {
    const auto at = std::find(result.columns.begin(), result.columns.end(), name);
    REQUIRE(at != result.columns.end());
    return static_cast<std::size_t>(at - result.columns.begin());
  };
  CHECK(scores.rows[0][column(scores, "task")] == "longbench-a");
  CHECK(scores.rows[0][column(scores, "score")] == 50.0);
  CHECK(scores.rows[0][column(scores, "ended_by_length")] == 0.25);
  const auto panels = read_answer_panels(store, {.suite = "tova-tasks", .cell_keys = {}});
  const auto& squality = panels.at(0);
  const double expected =
      task_points(squality.tasks[0], squality.find(0, *squality.full())->samples).value;
  const auto row = std::find_if(scores.rows.begin(), scores.rows.end(), [&](const auto& values) {
    return values[column(scores, "task")] == "tova-squality" &&
           values[column(scores, "policy")] == "full";
  });
  REQUIRE(row != scores.rows.end());
  CHECK((*row)[column(scores, "score")].as_double() == Approx(expected).margin(0.005));
  // Five tokens were read and, in the one of four that did not end by itself, a last one was not.
  const auto lengths = saved("generated-length");
  CHECK(lengths.rows.size() == 9 + 20);
  CHECK(lengths.rows[0][column(lengths, "task")] == "longbench-a");
  CHECK(lengths.rows[0][column(lengths, "mean_tokens")] == 5.3);
  CHECK(lengths.rows[0][column(lengths, "ended_by_itself")] == 0.75);
  const auto answers = saved("answers");
  CHECK(answers.rows.size() == 9 * 4 + 20 * 5);
  CHECK(answers.rows[0][column(answers, "answer")] == "Lethe.");
  CHECK(answers.rows[0][column(answers, "references")] == "[\"Lethe\"]");
}

TEST_CASE("a database without answers says so", "[reports][unit]") {
  for (const bool with_perplexity : {false, true}) {
    const test::WrittenAnswers report = test::write_answers(
        [&](store::RunStore& store) {
          test::Grid grid;
          grid.suite = "longbench-mini";
          if (with_perplexity) test::add_grid(store, grid);
        },
        {});
    CHECK_THAT(report.summary(), Contains("nothing to report yet"));
    CHECK_THAT(report.file("report.md"), Contains("holds no such cell"));
    CHECK_FALSE(report.has("answers.csv"));
    CHECK_FALSE(report.has("answers.html"));
  }
}

TEST_CASE("one sample has a score and no interval", "[reports][unit]") {
  const test::WrittenAnswers report = test::write_answers(
      [](store::RunStore& store) {
        AnswerGrid grid = test::small_answer_grid();
        grid.tasks = {test::answer_task("a", "First", 1)};
        test::add_answers(store, grid);
      },
      {});
  const std::string md = report.file("report.md");
  CHECK_THAT(md, Contains("One document only: no interval can be given."));
  CHECK_THAT(md, Contains("no test can decide"));
  CHECK_THAT(md, !Contains("nan"));
  CHECK_THAT(report.file("scores.csv"), Contains("\"a First, qa_f1_score\",1,40.00,20.00,30.00\n"));
  CHECK_THAT(report.file("scores.csv"), !Contains("All tasks"));
  CHECK(report.has("scores.svg"));
}

TEST_CASE("failed, missing and unfinished cells are seen and leave no mean", "[reports][unit]") {
  const AnswerGrid grid = test::small_answer_grid();
  const test::WrittenAnswers report = test::write_answers([&](store::RunStore& store) {
    add_without(store, grid, "c");
    store.set_cell_status(test::answer_cell_key(grid, grid.tasks[0], "tova", 512),
                          store::CellStatus::kOom, "no memory left");
    // A cell that wants more samples than there are.
    AnswerGrid more = grid;
    more.tasks = {test::answer_task("d", "Second", 2)};
    more.budgets = {};
    AnswerGrid wanted = more;
    wanted.tasks[0].records = test::plain_records(6);
    auto record = store.cells().back().record;
    record.key = test::answer_cell_key(more, more.tasks[0], "full", std::nullopt);
    record.task = more.tasks[0].name;
    record.policy = "full";
    record.budget = std::nullopt;
    record.n_samples = 6;
    record.inputs = "";
    for (const auto& cell : store.cells()) {
      if (cell.record.policy == "full") record.inputs = cell.record.inputs;
    }
    const auto at = record.inputs.find("longbench-c");
    REQUIRE(at != std::string::npos);
    record.inputs.replace(at, 11, "longbench-d");
    store.add_cells(std::span(&record, 1));
    test::add_answers(store, more);
    store.set_cell_status(record.key, store::CellStatus::kRunning);
  });
  const std::string md = report.file("report.md");
  CHECK_THAT(md, Contains("oom: no memory left (4 of 4 samples were done)"));
  CHECK_THAT(md, Contains("no such cell in the database"));
  CHECK_THAT(md, Contains("2 of 6 samples so far (running)"));
  const std::string scores = report.file("scores.csv");
  CHECK_THAT(scores, Contains("\nFirst mean of 2 tasks,,\"45.00 "));
  CHECK_THAT(scores, Contains(",– 1 of 2 tasks\n"));  // group First at 512
  CHECK_THAT(scores, Contains(",– 2 of 4 tasks"));    // all tasks
  CHECK_THAT(report.file("cells.csv"), Contains(",oom,no memory left,4,4,"));
  CHECK_THAT(report.file("normalised.csv"), Contains("– 2 of 4 tasks"));
}

TEST_CASE("models, lengths, schedules and benchmarks are never mixed", "[reports][unit]") {
  const test::WrittenAnswers report = test::write_answers(
      [](store::RunStore& store) {
        test::add_answers(store, test::small_answer_grid());
        AnswerGrid other = test::small_answer_grid();
        other.model = "another";
        test::add_answers(store, other);
        AnswerGrid shorter = test::small_answer_grid();
        shorter.length = 1024;
        test::add_answers(store, shorter);
        AnswerGrid exact = test::small_answer_grid();
        exact.schedule = "exact";
        exact.with_full = false;
        test::add_answers(store, exact);
        AnswerGrid benchmark = test::small_answer_grid();
        benchmark.benchmark = "LongBench-E";
        test::add_answers(store, benchmark);
      },
      {});
  const std::string md = report.file("report.md");
  CHECK_THAT(md, Contains("stand in 5 parts"));
  CHECK_THAT(md, Contains("Part 2: LongBench, another, 2,048 tokens"));
  CHECK_THAT(md, Contains("Part 3: LongBench, smollm2-135m, 1,024 tokens"));
  CHECK_THAT(md, Contains("Part 5: LongBench-E"));
  // The full cache is the same under every schedule: it is borrowed.
  CHECK_THAT(report.file("scores-4.csv"), Contains("Task,n,Full cache,TOVA 256,TOVA 512"));
  CHECK_THAT(report.file("differences-4.csv"), Contains("-20.00"));
  CHECK(report.has("scores-5.svg"));
  // Each answer stands in the file once.
  const auto lines = split(report.file("answers.csv"), '\n');
  CHECK(lines.size() == 1 + (4 * 9 + 6) * 4 + 1);
}

TEST_CASE("tasks of no benchmark and no group have a table", "[reports][unit]") {
  const test::WrittenAnswers report = test::write_answers([](store::RunStore& store) {
    AnswerGrid grid = test::small_answer_grid();
    grid.benchmark = "";
    for (auto& task : grid.tasks) task.group = "";
    test::add_answers(store, grid);
  });
  const std::string md = report.file("report.md");
  CHECK_THAT(md, Contains("**Tasks: scores by task and policy, 0 to 100**"));
  CHECK_THAT(report.file("scores.csv"), Contains("\na qa_f1_score,4,\"50.00 "));
  CHECK_THAT(report.file("scores.csv"), !Contains("Overall"));
  CHECK_THAT(report.summary(), Contains("smollm2-135m, Tasks, mean of 3 tasks: full cache 56.67"));
}

TEST_CASE("two versions of a task stand beside each other without a mean", "[reports][unit]") {
  const test::WrittenAnswers report = test::write_answers([](store::RunStore& store) {
    test::add_answers(store, test::small_answer_grid());
    AnswerGrid again = test::small_answer_grid();
    again.tasks = {again.tasks[2]};
    again.tasks[0].version = 2;
    test::add_answers(store, again);
  });
  const std::string md = report.file("report.md");
  CHECK_THAT(md, Contains("stands here in several versions"));
  CHECK_THAT(report.file("scores.csv"), Contains("cells like "));
  CHECK_THAT(report.file("scores.csv"), Contains("Overall mean of 2 groups,,– 1 of 2 groups"));
  // Nor in the headline, nor a difference over all tasks.
  CHECK_THAT(report.summary(), !Contains("mean of"));
  CHECK_FALSE(report.has("differences.csv"));
  CHECK_THAT(report.summary(), Contains("a task stands here in several versions: no mean"));
  CHECK_THAT(report.file("normalised.csv"), Contains("All tasks mean of the ratios,,–,–"));
  const boost::regex named("\\nc \\(cells like [0-9a-f]{8}\\),");
  for (const char* name : {"task-differences.csv", "inputs.csv"}) {
    CAPTURE(name);
    CHECK(boost::regex_search(report.file(name), named));
  }
}

TEST_CASE("builds of one plug-in stand beside each other", "[reports][unit]") {
  const auto build = [](const std::string& hash, double loss) {
    AnswerGrid grid = test::small_answer_grid();
    grid.plugin_sha256 = hash;
    grid.policies = {"mine"};
    grid.answering = [loss](const AnswerTaskSpec&, const std::string&,
                            std::optional<std::int64_t> budget, std::size_t record) {
      AnswerSpec answer;
      answer.score = 0.5 - (budget ? loss : 0) + (record % 2 ? 0.1 : -0.1);
      return answer;
    };
    return grid;
  };
  const std::string first = "11111111" + std::string(56, '0');
  const std::string second = "22222222" + std::string(56, '0');
  const test::WrittenAnswers both = test::write_answers(
      [&](store::RunStore& store) {
        test::add_answers(store, build(first, 0.1));
        AnswerGrid other = build(second, 0.3);
        other.with_full = false;
        test::add_answers(store, other);
      },
      {});
  const std::string scores = both.file("scores.csv");
  CHECK_THAT(scores, Contains("mine (build 11111111) 256,mine (build 11111111) 512,"
                              "mine (build 22222222) 256,mine (build 22222222) 512\n"));
  CHECK_THAT(scores, Contains("\"40.00 ") && Contains("\"20.00 "));
  CHECK_THAT(both.file("differences.csv"), Contains("mine (build 22222222) (mine),512,-30.00"));
  CHECK_THAT(both.summary(), Contains("mine (build 11111111) -10.00 (256), -10.00 (512); "
                                      "mine (build 22222222) -30.00 (256), -30.00 (512)"));
  CHECK_THAT(both.file("scores.svg"), Contains("build 11111111") && Contains("build 22222222"));
  // One build needs no name.
  const test::WrittenAnswers one = test::write_answers(
      [&](store::RunStore& store) { test::add_answers(store, build(first, 0.1)); });
  CHECK_THAT(one.file("scores.csv"), Contains("Task,n,Full cache,mine 256,mine 512\n"));
}

TEST_CASE("implausible, limited and missing scores have footnotes", "[reports][unit]") {
  const test::WrittenAnswers report = test::write_answers([](store::RunStore& store) {
    AnswerGrid grid = test::small_answer_grid();
    grid.tasks[0].sanity = std::pair(0.0, 0.45);
    grid.tasks[1].metric = "rouge_score";
    grid.answering = [](const AnswerTaskSpec& task, const std::string&, std::optional<std::int64_t>,
                        std::size_t record) {
      AnswerSpec answer{
          .text = "x", .answer = "x", .score = 0.5, .scores = {}, .stop = "end", .raises = ""};
      if (task.title == "b") {
        answer.scores = {{"rouge_score_unbounded", 0.5}};
        if (record == 1) answer.score = 0;
      }
      if (task.title == "c" && record == 3) {
        answer.score.reset();
        answer.raises = "ValueError";
      }
      return answer;
    };
    test::add_answers(store, grid);
  });
  const std::string md = report.file("report.md");
  CHECK_THAT(md, Contains("Outside the band 0.0 to 45.0"));
  // 37.5 officially, one answer of four in each of three columns.
  CHECK_THAT(md,
             Contains("b without Python's recursion limit, at which the official program gives an "
                      "answer 0 (3 answers here): Full cache 50.00, TOVA 256 50.00"));
  CHECK_THAT(report.file("scores.csv"), Contains("\nb rouge_score,4,\"37.50 "));
  CHECK_THAT(md, Contains("1 answer without a score"));
  CHECK_THAT(report.summary(), Contains("3 scores outside the band of the task"));
  CHECK_THAT(report.file("answers.csv"), Contains(",ValueError,"));
}

TEST_CASE("a policy that beats the full cache beyond chance is doubted", "[reports][unit]") {
  const test::WrittenAnswers report = test::write_answers([](store::RunStore& store) {
    AnswerGrid grid = test::small_answer_grid();
    grid.budgets = {256};
    grid.tasks = {test::answer_task("a", "First", 40)};
    grid.answering = [](const AnswerTaskSpec&, const std::string&,
                        std::optional<std::int64_t> budget, std::size_t record) {
      AnswerSpec answer;
      answer.score = (budget ? 0.6 : 0.5) + 0.001 * static_cast<double>(record);
      return answer;
    };
    test::add_answers(store, grid);
  });
  CHECK_THAT(report.file("report.md"), Contains("look at the answers before believing it"));
}

TEST_CASE("outputs of another form are refused by name", "[reports][unit]") {
  const auto fill = [](const std::string& output) {
    return [output](store::RunStore& store) {
      AnswerGrid grid = test::small_answer_grid();
      grid.tasks = {test::answer_task("a", "First", 1)};
      AnswerGrid bare = grid;
      bare.tasks[0].records = {};
      test::add_answers(store, bare);
      store::SampleRow row{.cell_key = store.cells().front().record.key,
                           .provenance_id = store.begin_run(test::answer_provenance()),
                           .record = {}};
      row.record.sample_id = "r00";
      row.record.sample_hash = std::string(64, 'c');
      row.record.sample_key = std::string(64, 'd');
      row.record.cluster = "x";
      row.record.output = output;
      store.add_samples(std::span(&row, 1));
    };
  };
  CHECK_THROWS_WITH(
      test::write_answers(fill("no JSON")),
      Contains("sample r00 of task longbench-a: output") && Contains("expected JSON"));
  CHECK_THROWS_WITH(test::write_answers(fill(R"({"stop":"end"})")), Contains("scores"));
  CHECK_THROWS_WITH(test::write_answers(fill(R"({"scores":{}})")), Contains("stop"));
}

TEST_CASE("the answer report is found by name", "[reports][unit]") {
  CHECK(find_report("answers").name == "answers");
  CHECK_THROWS_WITH(find_report("answer"), Contains("did you mean 'answers'"));
}
