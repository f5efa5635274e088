// SPDX-License-Identifier: Apache-2.0
// Means, intervals and differences of scores against values worked out by hand, and LongBench's own
// dataset scores.
#include "reports/answer_data.h"

#include <cmath>
#include <map>

#include "harness/base/json.h"
#include "harness/base/text.h"
#include "reports/answer_query.h"
#include "reports/answer_tables.h"
#include "tasks/metrics/metric.h"
#include "tests/reports/answer_fixture.h"
#include "tests/reports/report_fixture.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

using namespace lethe;
using namespace lethe::reports;
using Catch::Matchers::Contains;

namespace {

AnswerSample sample(const std::string& id, const std::string& cluster, double score) {
  AnswerSample out;
  out.id = id;
  out.hash = id;
  out.cluster = cluster;
  out.score = score;
  return out;
}

AnswerCell cell(std::size_t task, std::size_t column, std::vector<AnswerSample> samples) {
  AnswerCell out;
  out.task = task;
  out.column = column;
  out.status = store::CellStatus::kDone;
  out.wanted = static_cast<std::int64_t>(samples.size());
  out.samples = std::move(samples);
  return out;
}

AnswerTaskInfo task_named(const std::string& name) {
  AnswerTaskInfo task;
  task.name = name;
  task.title = name;
  task.identity = "{}";
  return task;
}

TaskClaims shipped_claims() {
  return read_task_claims(test::source_dir() / "data/published/claims-tova-tasks.json");
}

/// Text of a cell by its row's first text (and second, where given) and column name.
std::string text_at(const Table& table, const std::string& row_name, const std::string& column,
                    const std::string& second = "") {
  for (const auto& row : table.rows) {
    if (row[0].text != row_name || (!second.empty() && row[1].text != second)) continue;
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
      if (table.columns[i].name == column) return row[i].text;
    }
  }
  return "no such row or column";
}

}  // namespace

TEST_CASE("a mean of scores has an interval over documents", "[reports][unit]") {
  // Documents a: 1, 0.5; b: 0, 0.5. Mean 0.5, residual sums +0.5 and -0.5:
  // sqrt(2/1) sqrt(0.5) / 4 = 0.25; t with one degree of freedom: 12.7062.
  const std::vector<AnswerSample> samples{sample("1", "a", 1), sample("2", "a", 0.5),
                                          sample("3", "b", 0), sample("4", "b", 0.5)};
  const Points points = task_points(task_named("t"), samples);
  CHECK(points.value == 50);
  CHECK(points.n == 4);
  CHECK(points.clusters == 2);
  CHECK(*points.standard_error == Approx(25));
  CHECK(points.ends()->low == Approx(50 - 25 * 12.7062047).epsilon(1e-6));
  const Points one = task_points(task_named("t"), std::span(samples).first(2));
  CHECK(one.value == 75);
  CHECK_FALSE(one.ends());
  CHECK_FALSE(one.detectable());
}

TEST_CASE("answers without a score are left out of the mean", "[reports][unit]") {
  std::vector<AnswerSample> samples{sample("1", "a", 1), sample("2", "b", 0.5)};
  samples.push_back(sample("3", "c", 0));
  samples.back().score.reset();
  CHECK(task_points(task_named("t"), samples).value == 75);
  CHECK(task_points(task_named("t"), samples).n == 2);
}

TEST_CASE("a mean over tasks has Welch's degrees of freedom", "[reports][unit]") {
  // Standard errors 3 (2 degrees) and 4 (4 degrees): sqrt(9 + 16) / 2 = 2.5,
  // (9/4 + 16/4)^2 / ((9/4)^2 / 2 + (16/4)^2 / 4) = 5.98086.
  const std::vector<Points> values{
      {.value = 10, .standard_error = 3, .degrees = 2, .n = 5, .clusters = 3},
      {.value = 20, .standard_error = 4, .degrees = 4, .n = 6, .clusters = 5}};
  const Points mean = mean_points(values);
  CHECK(mean.value == 15);
  CHECK(*mean.standard_error == Approx(2.5));
  CHECK(mean.degrees == Approx(39.0625 / 6.53125));
  CHECK(mean.n == 11);
  CHECK(mean.clusters == 8);
  auto unknown = values;
  unknown[1].standard_error.reset();
  CHECK(mean_points(unknown).value == 15);
  CHECK_FALSE(mean_points(unknown).standard_error);
}

TEST_CASE("SQuALITY's score is the geometric mean of corpus means", "[reports][unit]") {
  AnswerTaskInfo task = task_named("tova-squality");
  task.aggregate = ScoreAggregate::kGeometricMeanOfCorpus;
  std::vector<AnswerSample> samples{sample("1", "a", 0.2), sample("2", "b", 0.4)};
  samples[0].parts = {0.4, 0.1, 0.3};
  samples[1].parts = {0.6, 0.2, 0.5};
  // Means 0.5, 0.15, 0.4: cube root of 0.03.
  const Points points = task_points(task, samples);
  CHECK(points.value == Approx(31.0723250595).epsilon(1e-10));
  // Relative contributions -(0.2 + 1/3 + 0.25)/3 and its opposite; two documents: sqrt(2) sqrt(2
  // d^2) / 2 = d.
  CHECK(*points.standard_error == Approx(31.0723250595 * (0.2 + 1.0 / 3 + 0.25) / 3).epsilon(1e-9));
  samples[0].parts[1] = samples[1].parts[1] = 0;
  CHECK(task_points(task, samples).value == 0);
  CHECK(*task_points(task, samples).standard_error == 0);
}

TEST_CASE("differences are paired by content and weigh tasks equally", "[reports][unit]") {
  AnswerPanel panel;
  panel.tasks = {task_named("a"), task_named("b"), task_named("c")};
  panel.columns = {{"full", std::nullopt}, {"tova", 256}};
  panel.cells = {cell(0, 0, {sample("1", "x", 1.0), sample("2", "y", 0.5), sample("3", "z", 0.0)}),
                 cell(0, 1, {sample("1", "x", 0.5), sample("2", "y", 0.5), sample("4", "z", 0.9)}),
                 cell(1, 0, {sample("1", "p", 0.6)}), cell(1, 1, {sample("1", "p", 0.5)}),
                 cell(2, 0, {sample("1", "q", 0.6)})};
  const auto both = compare_columns(panel, std::vector<std::size_t>{0, 1}, 1, 0);
  REQUIRE(both);
  // Task a: pairs 1 and 2, mean -0.25; task b: -0.1. Their mean: -17.5 points.
  CHECK(both->delta.value == Approx(-17.5));
  CHECK(both->delta.n == 3);
  CHECK(both->delta.clusters == 3);
  CHECK(both->partial);
  // One document of b has no spread, so the mean has no interval either.
  CHECK_FALSE(both->delta.ends());
  // Differences of documents -0.5, 0, -0.1: |sum| is reached by 4 of 8 patterns.
  CHECK(both->test.exact);
  CHECK(both->test.p_two_sided == 0.5);
  const auto three = compare_columns(panel, std::vector<std::size_t>{0, 1, 2}, 1, 0);
  REQUIRE(three);
  CHECK(three->tasks.size() == 2);
  CHECK_FALSE(compare_columns(panel, std::vector<std::size_t>{2}, 1, 0));
  // The same id with other content is another sample.
  panel.cells[3].samples[0].hash = "other";
  CHECK_FALSE(compare_columns(panel, std::vector<std::size_t>{1}, 1, 0));
}

TEST_CASE("the tables give LongBench's own dataset scores", "[reports][golden]") {
  const std::map<std::string, std::string> metrics{{"narrativeqa", "qa_f1_score"},
                                                   {"qasper", "qa_f1_score"},
                                                   {"multifieldqa_en", "qa_f1_score"},
                                                   {"hotpotqa", "qa_f1_score"},
                                                   {"2wikimqa", "qa_f1_score"},
                                                   {"musique", "qa_f1_score"},
                                                   {"triviaqa", "qa_f1_score"},
                                                   {"gov_report", "rouge_score"},
                                                   {"qmsum", "rouge_score"},
                                                   {"multi_news", "rouge_score"},
                                                   {"samsum", "rouge_score"},
                                                   {"trec", "classification_score"},
                                                   {"lsht", "classification_score"},
                                                   {"passage_count", "count_score"},
                                                   {"passage_retrieval_en", "retrieval_score"},
                                                   {"passage_retrieval_zh", "retrieval_zh_score"},
                                                   {"lcc", "code_sim_score"},
                                                   {"repobench-p", "code_sim_score"}};
  const tasks::Segmenters segmenters(test::source_dir());
  const TaskClaims claims = shipped_claims();
  int cases = 0;
  for (const auto& line :
       split(read_file(test::golden("scorers/longbench_dataset_scores.jsonl"), ErrorKind::kData),
             '\n')) {
    if (line.empty()) continue;
    const json::value golden = parse_json(line, "golden", ErrorKind::kData);
    const std::string name(golden.at("task").as_string());
    const auto metric = metrics.find(name);
    if (metric == metrics.end()) continue;  // Chinese words need jieba's dictionary
    const std::string id(golden.at("id").as_string());
    CAPTURE(id);
    test::AnswerGrid grid;
    grid.policies = {};
    test::AnswerTaskSpec task{.name = "longbench-" + name, .title = name, .metric = metric->second};
    std::vector<double> scores;
    const json::array& predictions = golden.at("predictions").as_array();
    for (std::size_t i = 0; i < predictions.size(); ++i) {
      json::object one{{"task", name},
                       {"prediction", predictions[i]},
                       {"references", golden.at("references").at(i)}};
      if (!golden.at("all_classes").is_null()) one["all_classes"] = golden.at("all_classes");
      const json::value value(std::move(one));
      tasks::ScoredCase scored_case(value, id);
      scores.push_back(*tasks::find_metric(metric->second).score(scored_case, segmenters).score);
      const auto words = golden.at("lengths").at(i).to_number<std::int64_t>();
      // In the order of the case: floating-point sums depend on it.
      task.records.push_back({.id = "r" + std::to_string(100 + i),
                              .cluster = std::to_string(i),
                              .references = {"-"},
                              .words = words});
    }
    grid.tasks = {task};
    grid.answering = [&](const auto&, const auto&, auto, std::size_t record) {
      test::AnswerSpec answer;
      answer.score = scores[record];
      return answer;
    };
    const test::TempDir dir;
    auto store = test::make_store(dir / "lethe.db");
    test::add_answers(store, grid);
    const auto panels = read_answer_panels(store, {.suite = grid.suite, .cell_keys = {}});
    REQUIRE(panels.size() == 1);
    CHECK(text_at(score_table(panels[0], claims), name, "Full cache") ==
          fixed(golden.at("score").to_number<double>(), 2));
    const Table lengths = length_table(panels[0], claims);
    std::string title = name;
    for (const char* bucket : {"0-4k", "4-8k", "8k+"}) {
      CAPTURE(bucket);
      const json::value& expected = golden.at("score_e").at(bucket);
      if (expected.is_null()) continue;
      CHECK(text_at(lengths, title, "Full cache", bucket) ==
            fixed(expected.to_number<double>(), 2));
      title = "";  // the name of a task stands in its first row only
    }
    ++cases;
  }
  CHECK(cases == 36);
}

TEST_CASE("claims on tasks are read strictly", "[reports][unit]") {
  const TaskClaims claims = shipped_claims();
  CHECK(claims.claims.size() == 9);
  CHECK(claims.label(AnswerColumn{"window:sinks=4", 512}) == "Window+4 512");
  CHECK_THAT(claims.note_on("LongBench"), Contains("compare with no other model"));
  CHECK(claims.note_on("TOVA tasks").empty());
  const test::TempDir dir;
  std::string text =
      read_file(test::source_dir() / "data/published/claims-tova-tasks.json", ErrorKind::kData);
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string changed = text;
    changed.replace(changed.find(from), from.size(), to);
    write_file_atomically(dir / "c.json", changed);
    return dir / "c.json";
  };
  CHECK_THROWS_WITH(read_task_claims(with("\"every\"", "\"evry\"")),
                    Contains("did you mean 'every'"));
  CHECK_THROWS_WITH(read_task_claims(with("\"at_least\": 0", "\"at_lest\": 0")),
                    Contains("expected at_least, above or below"));
  CHECK_THROWS_WITH(read_task_claims(with("lethe-task-claims-1", "x")),
                    Contains("lethe-task-claims-1"));
}
