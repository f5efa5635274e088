// SPDX-License-Identifier: Apache-2.0
#include "tests/reports/answer_writing.h"

#include "harness/base/text.h"
#include "reports/answer_report.h"
#include "tests/reports/report_fixture.h"

namespace lethe::test {

std::string WrittenAnswers::file(const std::string& name) const {
  return read_file(path("out/" + name), ErrorKind::kData);
}

std::string WrittenAnswers::summary() const {
  std::string all;
  for (const std::string& line : result.summary) all += line + "\n";
  return all;
}

WrittenAnswers write_answers(const std::function<void(store::RunStore&)>& fill,
                             std::vector<std::string> formats) {
  WrittenAnswers written;
  auto store = make_store(written.path("lethe.db"));
  fill(store);
  reports::ReportRequest request = request_for(written.path("out"));
  request.suite = "longbench-mini";
  request.formats = std::move(formats);
  written.result = reports::write_answer_report(store, request, FixedClock());
  return written;
}

AnswerTaskSpec answer_task(const std::string& name, const std::string& group, std::size_t records) {
  return {.name = "longbench-" + name,
          .title = name,
          .group = group,
          .records = plain_records(records)};
}

AnswerGrid small_answer_grid() {
  AnswerGrid grid;
  grid.policies = {"tova"};
  grid.tasks = {answer_task("a", "First", 4), answer_task("b", "First", 4),
                answer_task("c", "Second", 4)};
  grid.answering = [](const AnswerTaskSpec& task, const std::string&,
                      std::optional<std::int64_t> budget, std::size_t record) {
    const double base = task.title == "a" ? 0.5 : task.title == "b" ? 0.4 : 0.8;
    const double loss = !budget ? 0 : *budget == 512 ? 0.1 : 0.2;
    return AnswerSpec{.text = "Lethe.",
                      .answer = "Lethe.",
                      .score = base - loss + (record % 2 ? 0.1 : -0.1),
                      .scores = {},
                      .stop = record == 0 ? "length" : "end",
                      .raises = ""};
  };
  return grid;
}

}  // namespace lethe::test
