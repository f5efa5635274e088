// SPDX-License-Identifier: Apache-2.0
#include "reports/plot_axes.h"

#include <set>

namespace lethe::reports {
namespace {

/// Intervals reach at most this factor beyond the outermost values: those of two or three books may
/// span orders of magnitude and would leave nothing to see.
constexpr double kReach = 1.6;

/// The values of one part of a panel: above the threshold, or not.
Range values_of(const PlotPanel& panel, std::optional<double> threshold, bool above) {
  Range range;
  const auto add = [&](double y) {
    if ((threshold && y > *threshold) == above) range.include(y);
  };
  for (const PlotSeries& series : panel.series) {
    for (const PlotPoint& point : series.points) add(point.y);
  }
  if (panel.level) add(panel.level->y);
  return range;
}

/// How far the intervals of one part may reach.
Range reach_of(const PlotPanel& panel, std::optional<double> threshold, bool above) {
  const Range values = values_of(panel, threshold, above);
  const double high = values.high * kReach;
  return {values.low / kReach, threshold && !above ? std::min(high, *threshold * 1.25) : high};
}

/// The values of one part with what is shown of their intervals.
Range extent_of(const PlotPanel& panel, std::optional<double> threshold, bool above) {
  Range range = values_of(panel, threshold, above);
  const Range reach = reach_of(panel, threshold, above);
  const auto add = [&](double y, std::optional<double> low, std::optional<double> high) {
    if ((threshold && y > *threshold) != above || !std::isfinite(y)) return;
    if (low && !above) range.include(std::max(*low, reach.low));
    if (high) range.include(std::min(*high, reach.high));
  };
  for (const PlotSeries& series : panel.series) {
    for (const PlotPoint& point : series.points) add(point.y, point.low, point.high);
  }
  if (panel.level) add(panel.level->y, panel.level->low, panel.level->high);
  return range;
}

/// A label of five letters with its distance, in shares of the canvas.
constexpr double kLabel = 0.037;
/// Fewer labels than this make no axis.
constexpr std::size_t kFew = 3;

}  // namespace

std::vector<double> plot_abscissae(const PlotPanel& panel) {
  std::set<double> found;
  for (const PlotSeries& series : panel.series) {
    for (const PlotPoint& point : series.points) found.insert(point.x);
  }
  return {found.begin(), found.end()};
}

std::vector<double> x_ticks(const std::vector<double>& values, double width) {
  if (values.size() < 2) return values;
  const double apart = kLabel / width * std::log2(values.back() / values.front());
  const auto spaced = [&](const std::vector<double>& from) {
    std::vector<double> ticks;
    for (auto at = from.rbegin(); at != from.rend(); ++at) {
      if (ticks.empty() || std::log2(ticks.back() / *at) >= apart) ticks.push_back(*at);
    }
    std::reverse(ticks.begin(), ticks.end());
    return ticks;
  };
  const std::vector<double> ticks = spaced(values);
  if (ticks.size() == values.size()) return ticks;
  // On a crowded axis of octaves, 4 and 8 say more than 7 and 15.
  std::vector<double> octaves;
  std::copy_if(values.begin(), values.end(), std::back_inserter(octaves),
               [](double value) { return std::exp2(std::round(std::log2(value))) == value; });
  return octaves.size() < kFew || octaves.back() != values.back() ? ticks : spaced(octaves);
}

std::vector<double> log_ticks(Range range) {
  const double first = range.low * std::pow(range.high / range.low, 0.06);
  std::vector<double> ticks;
  for (const std::vector<double>& steps :
       {std::vector<double>{1, 1.5, 2, 3, 4, 6, 8}, {1, 2, 5}, {1, 3}, {1}}) {
    ticks.clear();
    for (double decade = std::pow(10, std::floor(std::log10(range.low))); decade <= range.high;
         decade *= 10) {
      for (const double step : steps) {
        const double tick = step * decade;
        if (tick >= first && tick <= range.high) ticks.push_back(tick);
      }
    }
    if (ticks.size() <= 5) break;
  }
  return ticks;
}

Range main_range(const PlotPanel& panel, std::optional<double> threshold) {
  const Range range = extent_of(panel, threshold, false);
  if (range.empty()) return panel.log_y ? Range{1, 10} : Range{0, 1};
  if (panel.log_y) return {range.low / 1.3, range.high * 1.3};
  const double pad = std::max(0.06 * (range.high - range.low), 0.01 * std::abs(range.high));
  return {panel.from_zero ? 0 : range.low - pad, range.high + pad};
}

Range strip_range(const PlotPanel& panel, double threshold, double floor) {
  const Range range = extent_of(panel, threshold, true);
  const double pad = std::pow(range.high / range.low, 0.12) * 1.05;
  return {std::max({range.low / pad, threshold, floor}), range.high * pad};
}

std::optional<double> strip_threshold(const PlotPanel& panel) {
  if (panel.from_zero || panel.one_axis || panel.log_y) return std::nullopt;
  std::vector<double> highest;
  for (const PlotSeries& series : panel.series) {
    Range range;
    for (const PlotPoint& point : series.points) range.include(point.y);
    if (!range.empty()) highest.push_back(range.high);
  }
  if (panel.level) highest.push_back(panel.level->y);
  if (highest.size() < 2) return std::nullopt;
  std::sort(highest.begin(), highest.end());
  // Where the sorted maxima jump by more than half, the rest is "far behind".
  for (std::size_t i = 0; i + 1 < highest.size(); ++i) {
    if (highest[i + 1] > 1.5 * highest[i]) return 1.05 * highest[i];
  }
  return std::nullopt;
}

bool cuts_intervals(const PlotPanel& panel) {
  const auto threshold = strip_threshold(panel);
  const Range below = reach_of(panel, threshold, false);
  const Range above = reach_of(panel, threshold, true);
  for (const PlotSeries& series : panel.series) {
    for (const PlotPoint& point : series.points) {
      const bool high_part = threshold && point.y > *threshold;
      if (point.high.value_or(point.y) > (high_part ? above : below).high) return true;
      if (!high_part && point.low.value_or(point.y) < below.low) return true;
    }
  }
  return false;
}

}  // namespace lethe::reports
