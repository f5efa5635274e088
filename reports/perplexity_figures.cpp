// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "harness/base/names.h"
#include "harness/base/text.h"
#include "reports/numbers.h"
#include "reports/perplexity_tables.h"

namespace lethe::reports {
namespace {

constexpr const char* kBudgetAxis = "cache budget: tokens kept per layer";

/// The same policy keeps colour and marker in every panel and figure.
std::size_t style_of(const std::vector<std::string>& policies, const std::string& policy) {
  return static_cast<std::size_t>(std::find(policies.begin(), policies.end(), policy) -
                                  policies.begin());
}

/// Published values of the policies that were measured; `scale` divides every value.
PlotPanel published_panel(const Panel& panel, const ClaimSet& claims,
                          const PublishedTable& published, double scale) {
  const auto length = published.length();
  PlotPanel out;
  out.title = "paper, " + published.model +
              (length ? ", length " + with_thousands(*length) : std::string()) + ": not comparable";
  out.hollow = true;
  const auto order = policy_order(panel, claims);
  for (const PolicyName& policy : claims.policies) {
    if (std::find(order.begin(), order.end(), policy.spec) == order.end()) continue;
    PlotSeries series{.label = policy.label, .style = style_of(order, policy.spec), .points = {}};
    for (const std::int64_t budget : published.budgets()) {
      if (const PublishedValue* value = published.find(policy.published, budget)) {
        series.points.push_back({static_cast<double>(budget), value->value / scale, {}, {}});
      }
    }
    if (!series.points.empty()) out.series.push_back(std::move(series));
  }
  return out;
}

/// The paper's topline: its un-evicted model at the whole length.
const PublishedValue* published_topline(const PublishedTable& published) {
  const auto length = published.length();
  return length ? published.find("baseline", *length) : nullptr;
}

std::string measured_title(const Settings& settings) {
  return settings.model + ", length " + with_thousands(settings.length) + ": measured";
}

void add_unless_empty(PlotFigure& figure, PlotPanel panel) {
  if (!panel.series.empty()) figure.panels.push_back(std::move(panel));
}

}  // namespace

PlotFigure perplexity_figure(const Panel& panel, const ClaimSet& claims,
                             const PublishedTable& published, const std::string& name) {
  PlotFigure figure{.name = name, .title = "Perplexity against cache budget", .panels = {}};
  PlotPanel measured;
  measured.title = measured_title(panel.settings);
  measured.x_label = kBudgetAxis;
  measured.y_label = "perplexity";
  const auto order = policy_order(panel, claims);
  for (const std::string& policy : order) {
    PlotSeries series{
        .label = claims.label(policy), .style = style_of(order, policy), .points = {}};
    for (const std::int64_t budget : panel.budgets()) {
      const CellResult* cell = panel.find(policy, budget);
      if (!cell || !cell->usable()) continue;
      const PerplexityEstimate estimate = estimate_perplexity(*cell);
      PlotPoint point{static_cast<double>(budget), estimate.perplexity, {}, {}};
      if (const auto& ends = estimate.nll_interval) {
        point.low = std::exp(ends->low);
        point.high = std::exp(ends->high);
      }
      if (std::isfinite(point.y)) series.points.push_back(point);
    }
    if (!series.points.empty()) measured.series.push_back(std::move(series));
  }
  if (const CellResult* full = panel.full(); full && full->usable()) {
    const PerplexityEstimate estimate = estimate_perplexity(*full);
    measured.level = PlotLevel{claims.label(kFullPolicy), estimate.perplexity, {}, {}};
    if (const auto& ends = estimate.nll_interval) {
      measured.level->low = std::exp(ends->low);
      measured.level->high = std::exp(ends->high);
    }
  }
  if (measured.series.empty()) return figure;
  figure.panels.push_back(std::move(measured));
  PlotPanel paper = published_panel(panel, claims, published, 1);
  paper.x_label = kBudgetAxis;
  paper.y_label = "perplexity (published)";
  if (const PublishedValue* top = published_topline(published)) {
    paper.level = PlotLevel{"topline", top->value, {}, {}};
  }
  add_unless_empty(figure, std::move(paper));
  return figure;
}

PlotFigure cost_figure(const Panel& panel, const ClaimSet& claims, const PublishedTable& published,
                       const std::string& name) {
  PlotFigure figure{
      .name = name, .title = "Cost of eviction: perplexity over the full cache's", .panels = {}};
  const CellResult* full = panel.full();
  if (!full || !full->usable()) return figure;
  PlotPanel measured;
  measured.title = measured_title(panel.settings);
  measured.x_label = kBudgetAxis;
  measured.y_label = "perplexity / full cache";
  measured.level = PlotLevel{claims.label(kFullPolicy), 1, {}, {}};
  const auto order = policy_order(panel, claims);
  for (const std::string& policy : order) {
    PlotSeries series{
        .label = claims.label(policy), .style = style_of(order, policy), .points = {}};
    for (const std::int64_t budget : panel.budgets()) {
      const CellResult* cell = panel.find(policy, budget);
      if (!cell || !cell->usable()) continue;
      const auto difference = compare_cells(*cell, *full, budget);
      if (!difference || !std::isfinite(difference->ratio)) continue;
      PlotPoint point{static_cast<double>(budget), difference->ratio, {}, {}};
      if (const auto& ends = difference->delta_interval) {
        point.low = std::exp(ends->low);
        point.high = std::exp(ends->high);
      }
      series.points.push_back(point);
    }
    if (!series.points.empty()) measured.series.push_back(std::move(series));
  }
  if (measured.series.empty()) return figure;
  figure.panels.push_back(std::move(measured));
  if (const PublishedValue* top = published_topline(published)) {
    PlotPanel paper = published_panel(panel, claims, published, top->value);
    paper.x_label = kBudgetAxis;
    paper.y_label = "perplexity / topline";
    paper.level = PlotLevel{"topline", 1, {}, {}};
    add_unless_empty(figure, std::move(paper));
  }
  return figure;
}

std::string describe_figure(const PlotFigure& figure) {
  std::string out;
  for (const PlotPanel& panel : figure.panels) {
    out += (out.empty() ? "" : " ") + panel.title + ". ";
    std::vector<std::string> lines;
    if (panel.level) lines.push_back(panel.level->label + " " + perplexity_text(panel.level->y));
    for (const PlotSeries& series : panel.series) {
      std::string line = series.label + ":";
      for (const PlotPoint& point : series.points) {
        line +=
            " " + perplexity_text(point.y) + " at " + with_thousands(std::llround(point.x)) + ",";
      }
      line.pop_back();
      lines.push_back(std::move(line));
    }
    out += join(lines, "; ") + ".";
  }
  return out;
}

}  // namespace lethe::reports
