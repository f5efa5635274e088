// SPDX-License-Identifier: Apache-2.0
#include "tests/reports/answer_writing.h"
#include "tests/support/catch.h"

using namespace lethe;
using Catch::Matchers::Contains;
using test::AnswerGrid;
using test::AnswerSpec;
using test::AnswerTaskSpec;

TEST_CASE("the paper's claims on its tasks have verdicts", "[reports][unit]") {
  // TOVA loses 0.5 points at 256 and 512, nothing at 1,024; Window+4 and the input cut lose 8.
  AnswerGrid grid = test::tova_trial(6);
  grid.suite = "longbench-mini";
  grid.answering = [](const AnswerTaskSpec& task, const std::string& policy,
                      std::optional<std::int64_t> budget, std::size_t record) {
    const double loss = !budget || *budget == 1024 ? 0 : policy == "tova" ? 0.005 : 0.08;
    AnswerSpec answer;
    answer.score = 0.3 - loss + (record % 2 ? 0.01 : -0.01);
    if (task.aggregate != "mean") {
      answer.scores = {
          {"rouge1", *answer.score}, {"rouge2", *answer.score}, {"rougeL", *answer.score}};
    }
    return answer;
  };
  const test::WrittenAnswers report =
      test::write_answers([&](store::RunStore& store) { test::add_answers(store, grid); });
  const std::string all = report.summary();
  CHECK_THAT(all, Contains("\nreproduced: SQuALITY: TOVA is at least as good as Window+4 at every "
                           "size (holds in 3 of 3 checks: 3 sizes, 2 documents; least p = 0.500 "
                           "against no difference)"));
  CHECK_THAT(
      all, Contains("reproduced: SQuALITY: TOVA is within one point of the full cache with an "
                    "eighth of the length (said of LLaMA-2-chat) (TOVA − Full cache = -0.50 "
                    "points over 2 documents, claimed ≥ -1.00; p = 0.500 against no difference)"));
  CHECK_THAT(all,
             Contains("\nreproduced: QASPER: at some size TOVA is more than five points above "
                      "Window+4 (holds in 2 of 3 checks: 3 sizes, 6 documents; least p = 0.031 "
                      "against no difference; not at 1,024)"));
  CHECK_THAT(all, Contains("\nnot reproduced: QASPER: a quarter of the length is not enough"));
  CHECK_THAT(report.file("claims.csv"), Contains("qasper-needs-half"));
  CHECK_THAT(report.file("report.md"),
             Contains("Baseline: the input was cut to so many tokens, prompt included, and all of "
                      "it kept; up to 512 tokens of the answer come on top."));
  CHECK_FALSE(report.result.invariant_violated);

  AnswerGrid exact = grid;
  exact.schedule = "exact";
  exact.policies = {"tova"};
  const test::WrittenAnswers other =
      test::write_answers([&](store::RunStore& store) { test::add_answers(store, exact); });
  CHECK_THAT(other.summary(), Contains("not comparable: SQuALITY: TOVA is at least as good as "
                                       "Window+4 at every size (schedule exact, the paper's is "
                                       "post-prompt)"));
  exact.schedule = "post-prompt";
  const test::WrittenAnswers alone =
      test::write_answers([&](store::RunStore& store) { test::add_answers(store, exact); });
  CHECK_THAT(alone.summary(),
             Contains("not comparable: QASPER: TOVA is at least as good as Window+4 "
                      "at every size (no cell of Window+4 256)"));
}

TEST_CASE("a difference of just the bound is more than it for nobody", "[reports][unit]") {
  // QASPER: TOVA loses one point at 512, a quarter of the length, and gains five on Window+4; all
  // numbers are exact in binary but for the last bit.
  const auto verdicts = [](double loss, double gain, std::size_t records) {
    AnswerGrid grid = test::tova_trial(records);
    grid.suite = "longbench-mini";
    grid.tasks = {grid.tasks[1]};
    grid.budgets = {512};
    grid.answering = [loss, gain](const AnswerTaskSpec&, const std::string& policy,
                                  std::optional<std::int64_t> budget, std::size_t) {
      AnswerSpec answer;
      const double tova = 0.5 - loss;
      answer.score = !budget ? 0.5 : policy == "tova" ? tova : tova - gain;
      return answer;
    };
    return test::write_answers([&](store::RunStore& store) { test::add_answers(store, grid); })
        .summary();
  };
  const std::string bound = verdicts(0.01, 0.05, 6);
  CHECK_THAT(bound, Contains("not reproduced: QASPER: a quarter of the length is not enough"));
  CHECK_THAT(bound, Contains("TOVA − Full cache = -1.00 points over 6 documents, claimed < -1.00"));
  CHECK_THAT(bound, Contains("not reproduced: QASPER: at some size TOVA is more than five points"));
  CHECK_THAT(bound, Contains("= +5.00 points over 6 documents, claimed > 5.00; 1 size"));
  const std::string beyond = verdicts(0.0101, 0.0501, 6);
  CHECK_THAT(beyond, Contains("\nreproduced: QASPER: a quarter of the length is not enough"));
  CHECK_THAT(beyond, Contains("\nreproduced: QASPER: at some size TOVA is more than five points"));
  // A claim about every size says that it saw one; one document has no verdict.
  CHECK_THAT(beyond, Contains("\nreproduced: QASPER: TOVA is at least as good as Window+4 at every "
                              "size (TOVA − Window+4 = +5.01 points over 6 documents, claimed ≥ "
                              "0.00; 1 size, p = 0.031 against no difference)"));
  CHECK_THAT(verdicts(0.0101, 0.0501, 1),
             Contains("\nnot comparable: QASPER: TOVA is at least as good as Window+4 at every "
                      "size (TOVA − Window+4 = +5.01 points over 1 document"));
}
