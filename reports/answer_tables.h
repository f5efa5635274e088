// SPDX-License-Identifier: Apache-2.0
// The tables and plots of the report on answers, each from one panel. Pure functions.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "reports/answer_claims.h"
#include "reports/answer_data.h"
#include "reports/plot.h"
#include "reports/table.h"

namespace lethe::reports {

/// Rows tasks by group, columns policies by budget, scores in points with two decimals; means of
/// groups and of all where every task has a value. A score outside its task's band, one that
/// Python's recursion limit changed and a cell that is not whole have footnotes.
Table score_table(const AnswerPanel& panel, const TaskClaims& claims);

/// Every score over the full cache's, and the mean of these ratios as the NAMM paper (arXiv
/// 2410.13166) normalises. No rows without the full cache.
Table normalised_table(const AnswerPanel& panel, const TaskClaims& claims);

/// LongBench-E's form: scores by length of the record in words (0-4k, 4-8k, 8k+), rounded as numpy
/// does. No rows where no answer names a length.
Table length_table(const AnswerPanel& panel, const TaskClaims& claims);

/// What went in and how answers ended, by task: tokens, cuts, prompts, share ended by length.
Table input_table(const AnswerPanel& panel);

/// Every column but the full cache against it: one row each, as a mean over tasks …
std::vector<ScoreDifference> overall_differences(const AnswerPanel& panel);
/// … and one row per task. Holm within either list.
std::vector<ScoreDifference> task_differences(const AnswerPanel& panel);

/// One row per difference. `by_task`: rows name their task.
Table score_differences_table(const AnswerPanel& panel, std::span<const ScoreDifference> rows,
                              const TaskClaims& claims, const std::string& caption, bool by_task);

/// One row per comparison behind a verdict.
Table task_checks_table(std::span<const TaskClaimOutcome> outcomes);

/// Every cell of every panel with its settings and unrounded numbers: for CSV.
Table tidy_scores(std::span<const AnswerPanel> panels);

/// Mean score of each group against the budget, three groups to a figure.
std::vector<PlotFigure> score_figures(const AnswerPanel& panel, const TaskClaims& claims,
                                      const std::string& suffix);

/// Mean score of all tasks against the bytes of keys and values that were kept. No panel where no
/// policy has a score of every task.
PlotFigure memory_figure(const AnswerPanel& panel, const TaskClaims& claims,
                         const std::string& suffix);

/// "LongBench, smollm2-135m, 2,048 tokens, post-prompt, original positions, float32, seed 0".
std::string panel_name(const AnswerPanel& panel);

/// "12.30" points.
std::string points_text(double points);

/// Answers that ended because there was no more room, of all; 0 without answers.
double ended_by_length(std::span<const AnswerSample* const> samples);

/// How prompts were cut in the columns that leave the input whole.
struct CutSummary {
  std::size_t prompts = 0;  ///< different samples
  std::size_t cut = 0;
  std::int64_t median_cut = 0;  ///< tokens, of those that were cut
  std::int64_t median_in = 0;   ///< tokens that the model read
  std::int64_t most_in = 0;
};
/// Over some tasks. Policy `truncate` cuts by itself and is left out, unless there is nothing else.
CutSummary cut_summary(const AnswerPanel& panel, std::span<const std::size_t> tasks);

}  // namespace lethe::reports
