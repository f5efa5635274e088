// SPDX-License-Identifier: Apache-2.0
#include "reports/heat_map.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "harness/base/names.h"
#include "harness/base/text.h"
#include "reports/plot.h"

namespace lethe::reports {
namespace {

constexpr int kField = 58;      // pixels of a field across …
constexpr int kFieldHigh = 30;  // … and down
constexpr int kMargin = 110;    // for labels, at the left and of a panel

constexpr double kMostCover = 0.6;  // of a field: ink stays readable on it

/// 0xAARRGGBB, where AA counts transparency: the page's own paper shines through low values.
std::string colour_of(double value, const HeatMap& map) {
  const double share = std::clamp((value - map.low) / (map.high - map.low), 0.0, 1.0);
  std::array<char, 16> text;
  std::snprintf(text.data(), text.size(), "0x%02X0072B2",
                static_cast<unsigned>(std::lround(255 * (1 - kMostCover * share))));
  return text.data();
}

std::string field_text(double value) {
  return fixed(value, value >= 99.95 ? 0 : 1);
}

std::string ticks(const std::vector<std::string>& names) {
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < names.size(); ++i) {
    parts.push_back(gnuplot_string(names[i]) + " " + std::to_string(i));
  }
  return "(" + join(parts, ", ") + ")";
}

std::string block(const HeatMap& map, std::size_t panel) {
  std::string out = "$map_" + std::to_string(panel) + " << EOD\n";
  const auto& rows = map.panels[panel].rows;
  for (std::size_t y = 0; y < rows.size(); ++y) {
    for (std::size_t x = 0; x < rows[y].size(); ++x) {
      if (!rows[y][x]) continue;
      out += std::to_string(x) + " " + std::to_string(y) + " " + colour_of(*rows[y][x], map) + " " +
             field_text(*rows[y][x]) + "\n";
    }
  }
  return out + "EOD\n";
}

std::string body_of(const HeatMap& map) {
  const std::string ink = "textcolor rgb " + gnuplot_string(kInk);
  std::string out = "set multiplot layout " + std::to_string(map.panels.size()) +
                    ",1\nset style fill solid 1 noborder\nset border 0\nset xrange [-0.5:" +
                    std::to_string(map.columns.size()) + " - 0.5]\nset yrange [" +
                    std::to_string(map.rows.size()) + " - 0.5:-0.5]\nset xtics scale 0 " +
                    ticks(map.columns) + " " + ink + "\nset ytics scale 0 " + ticks(map.rows) +
                    " " + ink + "\nset xlabel " + gnuplot_string(map.x_label) + " " + ink +
                    "\nset ylabel " + gnuplot_string(map.y_label) + " " + ink + "\n";
  for (std::size_t i = 0; i < map.panels.size(); ++i) {
    const std::string data = "$map_" + std::to_string(i);
    out += "set title " + gnuplot_string(map.panels[i].title) + " " + ink + "\nplot " + data +
           " using 1:2:(0.48):(0.46):3 with boxxyerror linecolor rgb variable notitle, \\\n     " +
           data + " using 1:2:4 with labels " + ink + " notitle\n";
  }
  return out + "unset multiplot\n";
}

}  // namespace

std::string heat_map_script(const HeatMap& map) {
  const int width = kMargin + kField * static_cast<int>(map.columns.size());
  const int height = static_cast<int>(map.panels.size()) *
                     (kMargin + kFieldHigh * static_cast<int>(map.rows.size()));
  const auto size = [&](int scale) {
    return std::to_string(scale * width) + "," + std::to_string(scale * height);
  };
  std::string data;
  for (std::size_t i = 0; i < map.panels.size(); ++i) data += block(map, i);
  const std::string body = body_of(map);
  return "# " + map.title + "\n# Redraw: gnuplot -d " + map.name + ".gp\nset encoding utf8\n" +
         data + "set terminal svg noenhanced size " + size(1) +
         " font \"sans-serif,12\" background \"white\"\nset output " +
         gnuplot_string(map.name + ".svg") + "\n" + body +
         "set output\nset terminal pngcairo noenhanced size " + size(2) +
         " font \"sans,12\" fontscale 1.6 linewidth 1.4 background \"white\"\nset output " +
         gnuplot_string(map.name + ".png") + "\n" + body + "set output\n";
}

std::string describe_heat_map(const HeatMap& map) {
  std::vector<std::string> panels;
  for (const HeatMap::Panel& panel : map.panels) {
    std::vector<std::string> rows;
    for (std::size_t y = 0; y < panel.rows.size(); ++y) {
      std::string row = map.y_label + " " + map.rows[y] + ":";
      for (std::size_t x = 0; x < panel.rows[y].size(); ++x) {
        if (panel.rows[y][x])
          row += " " + field_text(*panel.rows[y][x]) + " at " + map.columns[x] + ",";
      }
      row.pop_back();
      rows.push_back(std::move(row));
    }
    panels.push_back(panel.title + ". " + join(rows, "; ") + ".");
  }
  return join(panels, " ");
}

}  // namespace lethe::reports
