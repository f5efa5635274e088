// SPDX-License-Identifier: Apache-2.0
// Result databases of answer tasks with fixed numbers, in the shape of a LongBench or TOVA run.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "harness/store/run_store.h"

namespace lethe::test {

struct AnswerRecordSpec {
  std::string id;
  std::string cluster;
  std::vector<std::string> references;
  std::optional<std::int64_t> words;
  std::int64_t tokens = 1000;  ///< of the prompt before it was cut
};

struct AnswerTaskSpec {
  std::string name = "longbench-hotpotqa";
  std::string title = "HotpotQA";
  std::string group = "Multi-Document QA";
  std::string metric = "qa_f1_score";
  std::string aggregate = "mean";
  std::optional<std::pair<double, double>> sanity = {};
  std::int64_t max_new = 32;
  bool chat = true;
  std::int64_t version = 1;
  std::vector<AnswerRecordSpec> records = {};
};

/// What the fixture's model writes for one record, and what scorers make of it.
struct AnswerSpec {
  std::string text = {};
  std::string answer = {};
  std::optional<double> score = {};
  std::vector<std::pair<std::string, double>> scores = {};  ///< beside the official one
  std::string stop = "end";
  std::string raises = {};
};

using Answering = std::function<AnswerSpec(const AnswerTaskSpec& task, const std::string& policy,
                                           std::optional<std::int64_t> budget, std::size_t record)>;

struct AnswerGrid {
  std::string suite = "longbench-mini";
  std::string benchmark = "LongBench";
  std::string model = "smollm2-135m";
  std::vector<AnswerTaskSpec> tasks;
  std::vector<std::string> policies{"window:sinks=4", "tova"};
  std::vector<std::int64_t> budgets{256, 512};
  std::int64_t length = 2048;
  std::string schedule = "post-prompt";
  std::string positions = "original";
  std::string dtype = "float32";
  std::string kv_dtype = "same";
  std::int64_t engine_version = 1;
  std::string plugin_sha256 = {};  ///< of the library that the policies with budgets come from
  bool with_full = true;
  Answering answering;
};

/// Where the fixture's rows come from.
store::ProvenanceRecord answer_provenance();

/// Text stored as the cell's key.
std::string answer_cell_key(const AnswerGrid& grid, const AnswerTaskSpec& task,
                            const std::string& policy, std::optional<std::int64_t> budget);

/// Adds cells and samples of `grid`; every cell is done.
void add_answers(store::RunStore& store, const AnswerGrid& grid);

/// `count` records with documents of two questions each: "r00", "r01", …
std::vector<AnswerRecordSpec> plain_records(std::size_t count);

/// A grid with 19 tasks of LongBench in its six groups, `records` each, and answers whose scores
/// fall with the budget: long texts, Chinese, markup, control characters, empty answers.
AnswerGrid longbench_trial(std::size_t records);

/// SQuALITY and QASPER as the TOVA paper runs them, with three budgets and the input cut.
AnswerGrid tova_trial(std::size_t records);

}  // namespace lethe::test
