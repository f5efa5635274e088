// SPDX-License-Identifier: Apache-2.0
// Matrices of numbers as coloured fields, the number in every field.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace lethe::reports {

/// Equal matrices one above the other, each with the same names of rows and columns. Written to
/// <name>.gp, <name>.svg and <name>.png.
struct HeatMap {
  struct Panel {
    std::string title;
    std::vector<std::vector<std::optional<double>>> rows;  ///< [rows][columns]; none: left empty
  };
  std::string name;
  std::string title;
  std::string x_label;
  std::string y_label;
  std::vector<std::string> columns;
  std::vector<std::string> rows;  ///< from the top
  std::vector<Panel> panels;
  double low = 0;   ///< no colour at this value and below …
  double high = 1;  ///< … and all of it at this one: one hue, so that ink stays readable on it
};

/// The gnuplot script: data inline, one SVG and one PNG. Output names are relative.
std::string heat_map_script(const HeatMap& map);

/// The numbers in words, for those who cannot see it.
std::string describe_heat_map(const HeatMap& map);

}  // namespace lethe::reports
