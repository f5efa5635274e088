// SPDX-License-Identifier: Apache-2.0
// Scores of tasks of questions and answers as plain values: cells, means with their uncertainty,
// paired differences. The columns of the database and `output` are described in
// docs/store-schema.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/store/records.h"
#include "reports/perplexity_data.h"
#include "reports/statistics/clustered.h"
#include "reports/statistics/permutation.h"

namespace lethe::reports {

/// How the samples' values become the task's.
enum class ScoreAggregate {
  kMean,
  /// (mean rouge1 x mean rouge2 x mean rougeL)^(1/3) over the corpus (SCROLLS, ZeroSCROLLS).
  kGeometricMeanOfCorpus,
};

/// What a cell's inputs say about its task.
struct AnswerTaskInfo {
  std::string name;   ///< "longbench-hotpotqa"
  std::string title;  ///< "HotpotQA"
  std::string benchmark;
  std::string group;
  std::string metric;  ///< the official one
  ScoreAggregate aggregate = ScoreAggregate::kMean;
  std::optional<Interval> band;  ///< scores outside are unlikely; same unit as `score`
  std::string truncation;        ///< "middle", "document-end"
  std::int64_t max_new = 0;      ///< tokens of an answer, at most
  bool chat = false;             ///< prompts stand in the model's chat template, where it has one
  bool sample = false;           ///< a shipped sample, not the whole data set
  std::string identity;          ///< canonical JSON: what tells versions of one task apart
};

/// One answer, without its texts. `score` and the others are 1 at best.
struct AnswerSample {
  std::string id;
  std::string hash;  ///< of the content: only equal content is paired
  std::string cluster;
  std::optional<double> score;        ///< none where the owner's program raises an exception
  std::vector<double> parts;          ///< rouge1, rouge2, rougeL where the aggregate needs them
  std::optional<double> unbounded;    ///< the official metric without Python's recursion limit
  std::optional<std::int64_t> words;  ///< length of the record
  std::int64_t tokens_in = 0;
  std::int64_t tokens_cut = 0;
  std::int64_t kv_bytes = 0;
  std::string stop;  ///< "end", "stop", "length"
};

/// A policy at a budget; no budget where it takes none.
struct AnswerColumn {
  std::string policy;
  std::optional<std::int64_t> budget;
  /// First digits of the hash of the plug-in that the policy comes from; "" unless the panel has
  /// the policy in several builds.
  std::string build = {};

  bool operator==(const AnswerColumn&) const = default;
  bool full() const { return policy == kFullPolicy; }
  bool same_policy(const AnswerColumn& other) const {
    return policy == other.policy && build == other.build;
  }
};

struct AnswerCell {
  std::string key;
  std::size_t task = 0;    ///< index into AnswerPanel::tasks
  std::size_t column = 0;  ///< index into AnswerPanel::columns
  store::CellStatus status = store::CellStatus::kPending;
  std::string reason;
  std::int64_t wanted = 0;            ///< samples the grid asks for
  std::vector<AnswerSample> samples;  ///< in order of id

  /// Whether its score may be shown: some sample has one, and the cell did not end in failure.
  bool usable() const;
  bool partial() const { return static_cast<std::int64_t>(samples.size()) < wanted; }
};

/// Cells that may stand in one table: one benchmark under equal settings.
struct AnswerPanel {
  Settings settings;  ///< `task` is empty
  std::string benchmark;
  std::vector<AnswerTaskInfo> tasks;  ///< tasks of a group are neighbours
  std::vector<AnswerColumn> columns;  ///< the full cache first, then policies by budget
  std::vector<AnswerCell> cells;

  /// The benchmark, or "Tasks" where they name none.
  std::string name() const { return benchmark.empty() ? "Tasks" : benchmark; }
  const AnswerCell* find(std::size_t task, std::size_t column) const;
  /// The same, but null where the cell is not usable.
  const AnswerCell* usable(std::size_t task, std::size_t column) const;
  /// The full cache's column.
  std::optional<std::size_t> full() const;
  std::optional<std::size_t> column(const AnswerColumn& wanted) const;
  /// Names of the groups with the indices of their tasks.
  std::vector<std::pair<std::string, std::vector<std::size_t>>> groups() const;
  /// Whether the task stands in the panel in several versions, which no mean may mix.
  bool has_twin(std::size_t task) const;
  bool has_twins() const;
  /// The task's title; of one that has a twin, with the first digits of a cell's key.
  std::string title(std::size_t task) const;
};

/// A mean in points (100 is perfect) and how far it can be trusted.
struct Points {
  double value = 0;
  std::optional<double> standard_error;  ///< none with fewer than two documents
  double degrees = 0;                    ///< of freedom of the standard error
  std::size_t n = 0;                     ///< samples
  std::size_t clusters = 0;              ///< documents

  /// 95 %: Student's t below kManyClusters - 1 degrees of freedom, else normal.
  std::optional<Interval> ends() const;
  /// Difference found with 80 % power at the 5 % level; none without a spread.
  std::optional<double> detectable() const;
};

/// The task's score over those samples that have one. The error of a mean is clustered by document;
/// that of a geometric mean is its linearisation's (delta method). Throws Error(kInternal) when no
/// sample has a score.
Points task_points(const AnswerTaskInfo& task, std::span<const AnswerSample> samples);

/// Whether that score lies outside the task's band, if it has one.
bool outside_band(const AnswerTaskInfo& task, std::span<const AnswerSample> samples);

/// Mean of independent values with equal weights; degrees of freedom after Welch and Satterthwaite.
/// No standard error where one value has none. Throws Error(kInternal) when there are no values.
Points mean_points(std::span<const Points> values);

/// Column a minus column b on the samples they share, as a mean over tasks.
struct ScoreDifference {
  std::size_t a = 0;
  std::size_t b = 0;
  std::vector<std::size_t> tasks;  ///< those with shared samples
  Points delta;
  SignFlipResult test;   ///< over documents
  double p_holm = 1;     ///< within its table
  bool partial = false;  ///< fewer pairs, or fewer tasks, than there should be
};

/// None when no task has a shared sample with scores in both columns.
std::optional<ScoreDifference> compare_columns(const AnswerPanel& panel,
                                               std::span<const std::size_t> tasks, std::size_t a,
                                               std::size_t b);

/// Sets p_holm over all rows.
void adjust_for_multiplicity(std::vector<ScoreDifference>& rows);

}  // namespace lethe::reports
