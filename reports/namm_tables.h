// SPDX-License-Identifier: Apache-2.0
// The tables and plots of the report on NAMM, each from results as values. Pure functions.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "reports/learning_data.h"
#include "reports/namm_claims.h"
#include "reports/namm_data.h"
#include "reports/plot.h"
#include "reports/table.h"

namespace lethe::reports {

/// Everything computed from one panel, for tables and plots.
struct NammSection {
  const NammPanel* panel = nullptr;
  std::vector<NammComparison> comparisons;
};

/// One row per policy, budget, schedule and seed, and one per mean over seeds: memory really used,
/// score with its interval, normalised score, by how much the NAMM of nearest memory is better.
Table namm_panel_table(const NammSection& section, const NammResults& results,
                       const NammClaims& claims);

/// One row per NAMM and other method: the paired difference in full.
Table namm_differences_table(const NammSection& section, const NammClaims& claims);

/// One row per task: NAMM, the full cache, what NAMM wins or loses, the ratio, the paper's full
/// cache; then their means over the tasks it was evolved on and over the others. `namm` is a
/// method; of panels of one model.
Table namm_tasks_table(std::span<const NammSection> sections, const NammResults& results,
                       const NammClaims& claims, const NammMethod& namm);

/// One row per method: means of scores and means of ratios over the tasks that `namm` was evolved
/// on and over the others, with the paper's on LongBench where such tasks are among them.
Table namm_means_table(std::span<const NammSection> sections, const NammResults& results,
                       const NammClaims& claims, const NammMethod& namm);

/// Published results, one row per value; what was recalled and not read is "not known", with the
/// figure in a footnote.
Table namm_published_table(const PublishedTable& published, const NammClaims& claims);

/// Every cell unrounded: for CSV.
Table namm_tidy_table(const NammResults& results, const NammClaims& claims);

/// Score against mean memory, a series per policy.
PlotFigure namm_memory_figure(const NammSection& section, const NammClaims& claims,
                              const std::string& name);

/// Mean of ratios against the share of the full cache over the paper's tasks, its published point
/// hollow. No panel where no task of LongBench has numbers.
PlotFigure namm_ratio_figure(std::span<const NammSection> sections, const NammClaims& claims,
                             const std::string& name);

/// Fitness and tokens kept against generations, lines per seed, of one recipe's runs.
PlotFigure namm_learning_figure(const TrainingGroup& group, const std::string& name);

/// One row per run: generations, fitness at the entry and at best, tokens kept.
Table namm_learning_table(const TrainingGroup& group, const NammResults& results);

}  // namespace lethe::reports
