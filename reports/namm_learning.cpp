// SPDX-License-Identifier: Apache-2.0
// How the NAMMs of a database were evolved.
#include <algorithm>
#include <array>

#include "harness/base/text.h"
#include "reports/namm_tables.h"
#include "reports/numbers.h"
#include "reports/panel_text.h"

namespace lethe::reports {
namespace {

constexpr std::size_t kMostPoints = 400;  ///< of a line

/// A panel: a metric, and the entry's value before its first one.
struct Shown {
  const char* metric;
  const char* entry;  ///< "" for none
  const char* title;
};

constexpr std::array kShown{Shown{"selection_fitness", "entry_fitness", "selection fitness"},
                            Shown{"fitness_mean", "", "mean fitness of the population"},
                            Shown{"cache_mean", "", "mean tokens kept per layer"}};

std::vector<CurvePoint> points_of(const TrainingRun& run, const Shown& shown) {
  std::vector<CurvePoint> points;
  for (const char* metric : {shown.entry, shown.metric}) {
    const auto curve = run.curves.find(metric);
    if (curve == run.curves.end()) continue;
    points.insert(points.end(), curve->second.points.begin(), curve->second.points.end());
  }
  std::stable_sort(points.begin(), points.end(),
                   [](const CurvePoint& a, const CurvePoint& b) { return a.step < b.step; });
  return points;
}

PlotPanel panel_of(const TrainingGroup& group, const Shown& shown) {
  PlotPanel panel{.title = shown.title,
                  .x_label = "generations",
                  .y_label = "",
                  .series = {},
                  .level = {},
                  .linear_x = true,
                  .one_axis = true,
                  .bare_lines = true};
  for (std::size_t i = 0; i < group.runs.size(); ++i) {
    const auto points = points_of(group.runs[i], shown);
    if (points.empty()) continue;
    PlotSeries series{group.label(group.runs[i]), i, {}};
    const std::size_t neighbours = (points.size() + kMostPoints - 1) / kMostPoints;
    for (const CurvePoint& point : thinned(points, neighbours)) {
      series.points.push_back({point.step, point.value, {}, {}});
    }
    panel.series.push_back(std::move(series));
  }
  return panel;
}

std::optional<CurvePoint> first_of(const TrainingRun& run, const std::string& metric) {
  const auto curve = run.curves.find(metric);
  if (curve == run.curves.end() || curve->second.points.empty()) return std::nullopt;
  return curve->second.points.front();
}

std::optional<CurvePoint> best_of(const TrainingRun& run, const std::string& metric) {
  const auto curve = run.curves.find(metric);
  if (curve == run.curves.end() || curve->second.points.empty()) return std::nullopt;
  return *std::max_element(
      curve->second.points.begin(), curve->second.points.end(),
      [](const CurvePoint& a, const CurvePoint& b) { return a.value < b.value; });
}

std::string last_text(const TrainingRun& run, const std::string& metric, int digits) {
  const auto found = run.last.find(metric);
  return found == run.last.end() || !found->second ? kDash : fixed(*found->second, digits);
}

}  // namespace

PlotFigure namm_learning_figure(const TrainingGroup& group, const std::string& name) {
  PlotFigure figure{name, group.name + ": evolution", {}};
  for (const Shown& shown : kShown) {
    PlotPanel panel = panel_of(group, shown);
    if (!panel.series.empty()) figure.panels.push_back(std::move(panel));
  }
  return figure;
}

Table namm_learning_table(const TrainingGroup& group, const NammResults& results) {
  Table table;
  table.caption = "Evolutions, " + group.name;
  table.header_columns = 2;
  table.columns = {{"name"},
                   {"seed", Align::kRight},
                   {"ended"},
                   {"generations", Align::kRight},
                   {"entry", Align::kRight, "selection fitness"},
                   {"best", Align::kRight, "selection fitness"},
                   {"at generation", Align::kRight, "selection fitness"},
                   {"population mean, last", Align::kRight},
                   {"mean", Align::kRight, "tokens kept, population, last"},
                   {"peak", Align::kRight, "tokens kept, population, last"},
                   {"parameters"},
                   {"evaluated here"}};
  table.note(
      "Fitness on the prompts of selection, which are neither those of training nor those "
      "that a table above scores. Entry: the start of the first stage. The best of many "
      "generations is picked for being the best: the scores above are the judgement.");
  for (const TrainingRun& run : group.runs) {
    const auto entry = first_of(run, "entry_fitness");
    const auto best = best_of(run, "selection_fitness");
    const bool evaluated =
        !run.checkpoint.empty() &&
        std::any_of(results.panels.begin(), results.panels.end(), [&](const NammPanel& panel) {
          return std::any_of(panel.rows.begin(), panel.rows.end(),
                             [&](const NammRow& row) { return row.content == run.checkpoint; });
        });
    TableCell ended{.text = to_string(run.status), .detail = run.reason};
    if (run.status == store::TrainingStatus::kFailed) ended.tone = Tone::kBad;
    table.add_row(std::vector<TableCell>{
        {group.name},
        {std::to_string(run.seed)},
        std::move(ended),
        {run.last_step ? with_thousands(*run.last_step) : kDash},
        {entry ? fixed(entry->value, 4) : kDash},
        {best ? fixed(best->value, 4) : kDash},
        {best ? fixed(best->step, 0) : kDash},
        {last_text(run, "fitness_mean", 4)},
        {last_text(run, "cache_mean", 1)},
        {last_text(run, "cache_peak", 1)},
        {.text = run.checkpoint.empty() ? kDash : run.checkpoint.substr(0, 12),
         .whole = run.checkpoint},
        {evaluated ? "yes" : "no"}});
  }
  return table;
}

}  // namespace lethe::reports
