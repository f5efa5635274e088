// SPDX-License-Identifier: Apache-2.0
// Plots of scores: against the budget, by group, and against the memory that is kept.
#include <algorithm>
#include <array>

#include "harness/base/text.h"
#include "reports/answer_tables.h"
#include "reports/numbers.h"

namespace lethe::reports {
namespace {

constexpr std::size_t kPanelsPerFigure = 3;

/// Mean score of some tasks in one column; nothing unless every one has a value.
std::optional<Points> mean_of(const AnswerPanel& panel, std::span<const std::size_t> tasks,
                              std::size_t column) {
  std::vector<Points> found;
  for (const std::size_t task : tasks) {
    const AnswerCell* cell = panel.usable(task, column);
    if (!cell || panel.has_twin(task)) return std::nullopt;
    found.push_back(task_points(panel.tasks[task], cell->samples));
  }
  return mean_points(found);
}

/// Bytes of keys and values at the end of an answer, mean over samples, then over tasks.
double mean_bytes(const AnswerPanel& panel, std::size_t column) {
  double sum = 0;
  for (std::size_t task = 0; task < panel.tasks.size(); ++task) {
    const AnswerCell* cell = panel.usable(task, column);
    double bytes = 0;
    for (const AnswerSample& sample : cell->samples) bytes += static_cast<double>(sample.kv_bytes);
    sum += bytes / static_cast<double>(cell->samples.size());
  }
  return sum / static_cast<double>(panel.tasks.size());
}

PlotPoint point_of(double x, const Points& points) {
  PlotPoint point{x, points.value, {}, {}};
  if (const auto ends = points.ends()) {
    point.low = ends->low;
    point.high = ends->high;
  }
  return point;
}

/// First columns of the policies that take a budget, in the panel's order: the same one looks the
/// same in every plot.
std::vector<AnswerColumn> policies_of(const AnswerPanel& panel) {
  std::vector<AnswerColumn> policies;
  for (const AnswerColumn& column : panel.columns) {
    if (!column.budget) continue;
    if (policies.empty() || !policies.back().same_policy(column)) policies.push_back(column);
  }
  return policies;
}

PlotPanel group_panel(const AnswerPanel& panel, const TaskClaims& claims, const std::string& name,
                      std::span<const std::size_t> tasks) {
  PlotPanel plot{.title = name + (tasks.size() == 1 ? "" : ", " + counted(tasks.size(), "task")),
                 .x_label = "cache budget: tokens kept per layer",
                 .y_label = "score",
                 .series = {},
                 .level = {},
                 .one_axis = true};
  const auto policies = policies_of(panel);
  for (std::size_t style = 0; style < policies.size(); ++style) {
    PlotSeries series{claims.policy_label(policies[style]), style, {}};
    for (std::size_t column = 0; column < panel.columns.size(); ++column) {
      if (!panel.columns[column].same_policy(policies[style])) continue;
      if (const auto mean = mean_of(panel, tasks, column)) {
        series.points.push_back(
            point_of(static_cast<double>(*panel.columns[column].budget), *mean));
      }
    }
    if (!series.points.empty()) plot.series.push_back(std::move(series));
  }
  if (const auto full = panel.full()) {
    if (const auto mean = mean_of(panel, tasks, *full)) {
      const PlotPoint level = point_of(0, *mean);
      plot.level = PlotLevel{claims.label(kFullPolicy), level.y, level.low, level.high};
    }
  }
  return plot;
}

}  // namespace

std::vector<PlotFigure> score_figures(const AnswerPanel& panel, const TaskClaims& claims,
                                      const std::string& suffix) {
  std::vector<PlotFigure> figures;
  for (const auto& [name, tasks] : panel.groups()) {
    PlotPanel plot = group_panel(panel, claims, name, tasks);
    if (plot.series.empty()) continue;
    if (figures.empty() || figures.back().panels.size() == kPanelsPerFigure) {
      const std::string number =
          figures.empty() ? "" : "-part-" + std::to_string(figures.size() + 1);
      figures.push_back({"scores" + suffix + number, "Score against cache budget", {}});
    }
    figures.back().panels.push_back(std::move(plot));
  }
  return figures;
}

PlotFigure memory_figure(const AnswerPanel& panel, const TaskClaims& claims,
                         const std::string& suffix) {
  PlotFigure figure{"memory" + suffix, "Score against memory", {}};
  std::vector<std::size_t> tasks;
  for (std::size_t task = 0; task < panel.tasks.size(); ++task) tasks.push_back(task);
  const auto policies = policies_of(panel);
  PlotPanel plot{.title = panel.settings.model + ", " + panel.name(),
                 .x_label = "",
                 .y_label = "score, mean of " + counted(tasks.size(), "task"),
                 .series = {},
                 .level = {},
                 .linear_x = true,
                 .one_axis = true};
  double most = 0;
  for (std::size_t column = 0; column < panel.columns.size(); ++column) {
    const auto mean = mean_of(panel, tasks, column);
    if (!mean) continue;
    const AnswerColumn& own = panel.columns[column];
    // After the policies with budgets, those without: the full cache is a point of its own here.
    const auto style = static_cast<std::size_t>(
        std::find_if(policies.begin(), policies.end(),
                     [&](const AnswerColumn& policy) { return policy.same_policy(own); }) -
        policies.begin());
    const std::string label = claims.policy_label(own);
    auto at = std::find_if(plot.series.begin(), plot.series.end(),
                           [&](const PlotSeries& series) { return series.label == label; });
    if (at == plot.series.end()) {
      plot.series.push_back({label, style, {}});
      at = plot.series.end() - 1;
    }
    const double bytes = mean_bytes(panel, column);
    most = std::max(most, bytes);
    at->points.push_back(point_of(bytes, *mean));
  }
  if (plot.series.size() < 2 || most <= 0) return figure;
  constexpr std::array<const char*, 4> kUnits{"bytes", "KiB", "MiB", "GiB"};
  std::size_t unit = 0;
  double scale = 1;
  while (unit + 1 < kUnits.size() && most / scale >= 2048) {
    scale *= 1024;
    ++unit;
  }
  for (PlotSeries& series : plot.series) {
    for (PlotPoint& point : series.points) point.x /= scale;
  }
  plot.x_label = std::string("keys and values at the end of an answer, ") + kUnits[unit];
  figure.panels.push_back(std::move(plot));
  return figure;
}

}  // namespace lethe::reports
