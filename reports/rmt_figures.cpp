// SPDX-License-Identifier: Apache-2.0
// Plots of accuracy against segments.
#include <algorithm>

#include "harness/base/text.h"
#include "reports/numbers.h"
#include "reports/rmt_tables.h"

namespace lethe::reports {
namespace {

constexpr std::size_t kPublishedStyle = 1;

PlotPanel accuracy_panel(const RmtGroup& group, const std::string& title) {
  PlotPanel panel{.title = title,
                  .x_label = "segments",
                  .y_label = "accuracy, %",
                  .series = {},
                  .level = {},
                  .from_zero = true};
  std::int64_t classes = 0;
  for (const RmtLine& line : group.lines) {
    for (const RmtCell& cell : line.cells) classes = std::max(classes, cell.classes());
  }
  if (classes > 1) {
    panel.level = PlotLevel{
        "chance, 1 of " + std::to_string(classes), 100.0 / static_cast<double>(classes), {}, {}};
  }
  return panel;
}

/// The published curve of a group's task, where the paper trained on as many segments.
PlotSeries published_series(const RmtGroup& group, const RmtClaims& claims) {
  PlotSeries series{.label = "the paper's model, published",
                    .style = kPublishedStyle,
                    .points = {},
                    .hollow = true};
  for (const PublishedValue& value : claims.long_evaluation.values) {
    const PublishedValue* found =
        value.segments
            ? claims.published(group.condition.task, group.model().trained_segments, value.segments)
            : nullptr;
    if (found == &value) {
      series.points.push_back({static_cast<double>(*value.segments), value.value, {}, {}});
    }
  }
  return series;
}

}  // namespace

PlotFigure rmt_accuracy_figure(const RmtGroup& group, const RmtClaims& claims,
                               const std::string& name) {
  PlotFigure figure{name, claims.label(group.condition.task) + ": accuracy against segments", {}};
  PlotPanel panel = accuracy_panel(group, group.condition.name());
  for (const RmtLine& line : group.lines) {
    // The published curve keeps its colour to itself.
    const std::size_t style = panel.series.size() + (panel.series.size() >= kPublishedStyle);
    PlotSeries series{line.model.name, style, {}};
    for (const RmtCell& cell : line.cells) {
      const auto accuracy = cell.accuracy();
      if (!accuracy || !cell.segments) continue;
      PlotPoint point{static_cast<double>(*cell.segments), 100 * accuracy->share, {}, {}};
      if (accuracy->ends) {
        point.low = 100 * std::max(0.0, accuracy->ends->low);
        point.high = 100 * std::min(1.0, accuracy->ends->high);
      }
      series.points.push_back(point);
    }
    if (!series.points.empty()) panel.series.push_back(std::move(series));
  }
  if (panel.series.empty()) return figure;
  if (PlotSeries paper = published_series(group, claims); !paper.points.empty()) {
    panel.series.push_back(std::move(paper));
  }
  figure.panels.push_back(std::move(panel));
  return figure;
}

PlotFigure rmt_conditions_figure(std::span<const RmtGroup* const> groups, const RmtClaims& claims,
                                 const std::string& name) {
  PlotFigure figure{name, "Accuracy by test condition", {}};
  if (groups.size() < 2) return figure;
  PlotPanel panel = accuracy_panel(*groups.front(), claims.label(groups.front()->condition.task) +
                                                        ": mean over models, least to most");
  for (const RmtGroup* group : groups) {
    PlotSeries series{group->condition.name() + (group->harder() ? " (more than trained)" : ""),
                      panel.series.size(),
                      {}};
    for (const std::int64_t length : group->lengths()) {
      const auto mean = group->mean(length);
      const auto segments = group->segments(length);
      if (!mean || !segments) continue;
      PlotPoint point{static_cast<double>(*segments), 100 * mean->mean, {}, {}};
      if (mean->models > 1) {
        point.low = 100 * mean->least;
        point.high = 100 * mean->most;
      }
      series.points.push_back(point);
    }
    if (!series.points.empty()) panel.series.push_back(std::move(series));
  }
  if (!panel.series.empty()) figure.panels.push_back(std::move(panel));
  return figure;
}

}  // namespace lethe::reports
