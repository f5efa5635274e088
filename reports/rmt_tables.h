// SPDX-License-Identifier: Apache-2.0
// The tables and plots of the report on recurrent memory, each from results as values. Pure
// functions.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "reports/heat_map.h"
#include "reports/plot.h"
#include "reports/rmt_claims.h"
#include "reports/rmt_data.h"
#include "reports/table.h"

namespace lethe::reports {

/// One row per length: every seed with its interval, mean, least and most, the published figure.
Table rmt_accuracy_table(const RmtGroup& group, const RmtClaims& claims);

/// Rows lengths, columns test conditions: fact positions, hard-negative rates, noise.
Table rmt_conditions_table(std::span<const RmtGroup* const> groups);

/// Rows training recipes, columns lengths, under one test condition: what a recipe is worth. Empty
/// unless there are two recipes with the most trained segments.
Table rmt_recipes_table(std::span<const RmtGroup* const> groups);

/// One row per broken memory, model and length beside its computed expectation.
Table rmt_controls_table(std::span<const RmtControl> controls);

/// Means over seeds by segments trained on (rows) and tested on (columns), published below ours.
/// `groups` differ in what they were trained on only.
Table rmt_matrix_table(std::span<const RmtGroup* const> groups, const RmtClaims& claims);

/// The same as coloured fields, ours above the published ones.
HeatMap rmt_matrix_map(std::span<const RmtGroup* const> groups, const RmtClaims& claims,
                       const std::string& name);

/// One row per group and length: carried tokens and bytes, peak, seconds, per segment.
Table rmt_cost_table(const RmtResults& results, const RmtClaims& claims);

/// Recurrent memory beside eviction on the same tasks: one row per group and length. Empty unless
/// some other policy ran a task of `rmt`.
Table rmt_comparison_table(const RmtResults& results);

/// The rules that make such a claim honest, and what of each the database shows.
Table rmt_rules_table(const RmtResults& results, const RmtClaims& claims);

/// Every cell unrounded: for CSV.
Table rmt_tidy_table(const RmtResults& results);

/// Published results of another set-up, one row per value; columns that no value has are left out.
Table rmt_reference_table(const PublishedTable& published);

/// Accuracy against segments: a line per seed, the published curve, chance.
PlotFigure rmt_accuracy_figure(const RmtGroup& group, const RmtClaims& claims,
                               const std::string& name);

/// Accuracy against segments, mean over seeds, a line per condition. No panel for fewer than two.
PlotFigure rmt_conditions_figure(std::span<const RmtGroup* const> groups, const RmtClaims& claims,
                                 const std::string& name);

/// Carried bytes and milliseconds per sample and segment against segments.
PlotFigure rmt_cost_figure(const RmtResults& results, const RmtClaims& claims,
                           const std::string& name);

/// Groups of one task that differ in what they were trained on only, those of the condition with
/// the most of them; fewest trained segments first. Empty unless there are two.
std::vector<const RmtGroup*> rmt_matrix_groups(const RmtResults& results, const std::string& task);

/// "98.4" of a share; "–" and the reason in a footnote of `table` where a group has none at a
/// length.
TableCell rmt_mean_cell(Table& table, const RmtGroup& group, std::int64_t length);

}  // namespace lethe::reports
