// SPDX-License-Identifier: Apache-2.0
// Reports on databases of answer tasks, written to a folder of their own.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "reports/report.h"
#include "tests/reports/answer_fixture.h"
#include "tests/support/fixtures.h"

namespace lethe::test {

struct WrittenAnswers {
  std::unique_ptr<TempDir> folder = std::make_unique<TempDir>();
  reports::ReportResult result;

  std::filesystem::path path(const std::string& name) const { return *folder / name; }
  std::string file(const std::string& name) const;
  bool has(const std::string& name) const { return std::filesystem::exists(path("out/" + name)); }
  /// Its lines, each with its end.
  std::string summary() const;
};

/// Report on a database that `fill` makes, of the suite "longbench-mini"; no formats: all of them.
WrittenAnswers write_answers(const std::function<void(store::RunStore&)>& fill,
                             std::vector<std::string> formats = {"md", "csv"});

AnswerTaskSpec answer_task(const std::string& name, const std::string& group, std::size_t records);

/// Three tasks of two groups, four records of two documents each. Scores: the full cache 0.5, 0.4,
/// 0.8 for the three; less a tenth at 512, a fifth at 256; every other record 0.1 more or less.
AnswerGrid small_answer_grid();

}  // namespace lethe::test
