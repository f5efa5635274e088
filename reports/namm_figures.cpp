// SPDX-License-Identifier: Apache-2.0
// Plots of score against memory.
#include <algorithm>
#include <cmath>
#include <map>

#include "harness/base/text.h"
#include "reports/namm_tables.h"
#include "reports/numbers.h"

namespace lethe::reports {
namespace {

/// The series of a label; a new one takes the next style.
PlotSeries& series_of(PlotPanel& plot, const std::string& label) {
  const auto at = std::find_if(plot.series.begin(), plot.series.end(),
                               [&](const PlotSeries& series) { return series.label == label; });
  if (at != plot.series.end()) return *at;
  plot.series.push_back({label, plot.series.size(), {}});
  return plot.series.back();
}

void sort_points(PlotPanel& plot) {
  for (PlotSeries& series : plot.series) {
    std::stable_sort(series.points.begin(), series.points.end(),
                     [](const PlotPoint& a, const PlotPoint& b) { return a.x < b.x; });
  }
}

}  // namespace

PlotFigure namm_memory_figure(const NammSection& section, const NammClaims& claims,
                              const std::string& name) {
  const NammPanel& panel = *section.panel;
  PlotFigure figure{
      name, (panel.text ? "Perplexity" : "Score") + std::string(" against memory"), {}};
  PlotPanel plot{.title = claims.place(panel),
                 .x_label = "mean tokens per layer, as measured",
                 .y_label = panel.text ? "perplexity" : "score",
                 .series = {},
                 .level = {},
                 .linear_x = true,
                 .one_axis = true};
  for (const NammMethod& method : panel.methods) {
    const auto own = measure(panel, method);
    if (!own || !own->cache) continue;
    const auto shown = [&](double value) { return panel.text ? std::exp(value) : value; };
    PlotPoint point{own->cache->mean, shown(own->estimate.mean), {}, {}};
    if (const auto ends = own->ends()) {
      point.low = shown(ends->low);
      point.high = shown(ends->high);
    }
    // Points of two schedules are no line.
    series_of(plot, claims.label(method) + ", " + method.schedule).points.push_back(point);
  }
  sort_points(plot);
  if (!plot.series.empty()) figure.panels.push_back(std::move(plot));
  return figure;
}

PlotFigure namm_ratio_figure(std::span<const NammSection> sections, const NammClaims& claims,
                             const std::string& name) {
  PlotFigure figure{name, "Normalised score against the share of the full cache", {}};
  PlotPanel plot{.title = "LongBench tasks",
                 .x_label = "mean memory, % of the full cache",
                 .y_label = "normalised score, mean over tasks",
                 .series = {},
                 .level = {},
                 .linear_x = true,
                 .one_axis = true};
  struct Sum {
    std::string label;
    double share = 0, ratio = 0;
    std::size_t tasks = 0;
  };
  std::map<std::string, Sum> sums;
  std::size_t tasks = 0;
  for (const NammSection& section : sections) {
    const NammPanel& panel = *section.panel;
    const auto index = panel.full();
    const auto full = index ? measure(panel, panel.methods[*index]) : std::nullopt;
    // A task without a base is left out for all, so that every mean is over the same tasks.
    if (!claims.of_benchmark(panel) || panel.text || !full || !full->cache ||
        full->cache->mean <= 0 || full->estimate.mean < claims.least_base) {
      continue;
    }
    ++tasks;
    for (const NammMethod& method : panel.methods) {
      const auto own = measure(panel, method);
      const auto ratio = normalised(panel, own, claims.least_base).value;
      if (!own || !own->cache || !ratio) continue;
      Sum& sum = sums[claims.whole_label(method)];
      sum.label = claims.label(method);
      sum.share += own->cache->mean / full->cache->mean;
      sum.ratio += *ratio;
      ++sum.tasks;
    }
  }
  for (const auto& [key, sum] : sums) {
    if (sum.tasks < tasks) continue;
    const auto count = static_cast<double>(sum.tasks);
    series_of(plot, sum.label)
        .points.push_back({100 * sum.share / count, sum.ratio / count, {}, {}});
  }
  if (plot.series.empty()) return figure;
  sort_points(plot);
  PlotSeries paper{.label = "NAMM, published, another model",
                   .style = plot.series.size(),
                   .points = {},
                   .hollow = true};
  const auto value = [&](const char* metric) -> const PublishedValue* {
    for (const PublishedValue& one : claims.aggregate.values) {
      if (one.policy == kNammPolicy && one.metric == metric) return &one;
    }
    return nullptr;
  };
  const auto* ratio = value("normalised performance");
  const auto* reduction = value("cache reduction");
  if (ratio && reduction) {
    paper.points.push_back({100 - reduction->value, ratio->value, {}, {}});
    plot.series.push_back(std::move(paper));
  }
  figure.panels.push_back(std::move(plot));
  return figure;
}

}  // namespace lethe::reports
