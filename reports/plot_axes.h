// SPDX-License-Identifier: Apache-2.0
// What the axes of a plot panel show: ranges, ticks, and where an axis is broken.
#pragma once

#include <cmath>
#include <algorithm>
#include <limits>
#include <optional>
#include <vector>

#include "reports/plot.h"

namespace lethe::reports {

/// From the lowest to the highest finite value included.
struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  void include(double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  bool empty() const { return !(low <= high); }
};

/// Every x of a panel once, ascending.
std::vector<double> plot_abscissae(const PlotPanel& panel);

/// Those of ascending, positive values that get a label on a logarithmic axis over `width` of the
/// canvas: all where there is room, else the highest and downwards what keeps its distance, powers
/// of two where there are some.
std::vector<double> x_ticks(const std::vector<double>& values, double width);

/// Two to five round ticks inside a range, a little away from its lower end (where the other part
/// of a broken axis has its own).
std::vector<double> log_ticks(Range range);

/// Of the main part: values below the threshold with what is shown of their intervals.
Range main_range(const PlotPanel& panel, std::optional<double> threshold);

/// Of the strip above the threshold; it begins at `floor` at least.
Range strip_range(const PlotPanel& panel, double threshold, double floor);

}  // namespace lethe::reports
