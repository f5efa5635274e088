// SPDX-License-Identifier: Apache-2.0
// Line plots as values, the gnuplot script that draws them, and the child process that runs it.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace lethe::reports {

struct PlotPoint {
  double x = 0;
  double y = 0;
  std::optional<double> low;  ///< ends of the interval, both or neither
  std::optional<double> high;
};

/// One line. The style number picks colour and marker (the same number looks the same everywhere).
struct PlotSeries {
  std::string label;
  std::size_t style = 0;
  std::vector<PlotPoint> points;
  bool hollow = false;  ///< a published line among measured ones: hollow marks, dashed
};

/// A value that does not depend on x: a dashed line across the panel, a band for its interval.
struct PlotLevel {
  std::string label;
  double y = 0;
  std::optional<double> low;
  std::optional<double> high;
};

/// Something that begins at an x: a dotted line down the panel, its label along it.
struct PlotMark {
  double x = 0;
  std::string label = {};
  std::optional<std::size_t> style = {};  ///< colour of that style's lines; none: of the axes
};

/// One pair of axes: x in powers of two (or linear), y linear (or logarithmic). Series that leave
/// the others far behind send their high part to a strip with its own logarithmic axis above, so
/// that neither hides the other.
struct PlotPanel {
  std::string title;
  std::string x_label;
  std::string y_label;
  std::vector<PlotSeries> series;
  std::optional<PlotLevel> level;
  bool hollow = false;      ///< published values: hollow marks, dashed lines
  bool linear_x = false;    ///< x in even steps instead
  bool from_zero = false;   ///< amounts whose ratios are to be seen: y from 0, one axis for all
  bool one_axis = false;    ///< no upper strip: the values are of one scale
  bool log_y = false;       ///< one logarithmic axis: values, all above 0, of many magnitudes
  bool bare_lines = false;  ///< no marks at the points, which are many
  std::vector<PlotMark> marks = {};
};

/// Panels side by side with one legend. Written to <name>.gp, <name>.svg and <name>.png.
struct PlotFigure {
  std::string name;
  std::string title;
  std::vector<PlotPanel> panels;
};

/// Everything in a plot that is not data; inline_svg() turns it into the page's text colour.
inline constexpr const char* kInk = "#333333";

/// `text` as a double-quoted gnuplot string without enhanced mode's meanings.
std::string gnuplot_string(const std::string& text);

/// The value above which a panel's points belong into the upper strip; none where one axis does.
std::optional<double> strip_threshold(const PlotPanel& panel);

/// Whether some interval reaches so far beyond the values that the panel cuts it at its edge.
bool cuts_intervals(const PlotPanel& panel);

/// The whole script: data inline, one SVG and one PNG. Output names are relative.
std::string gnuplot_script(const PlotFigure& figure);

/// Writes the script into `folder` and runs `program` (a name looked up in PATH, or a path) on it.
/// Returns the paths of script, SVG and PNG. Throws Error(kConfig) when gnuplot is missing, saying
/// how to install it, and Error(kInternal) with gnuplot's own words when it fails.
std::vector<std::filesystem::path> draw(const PlotFigure& figure,
                                        const std::filesystem::path& folder,
                                        const std::string& program = "gnuplot");

/// The same for any script that writes <name>.svg and <name>.png.
std::vector<std::filesystem::path> draw_script(const std::string& name, const std::string& script,
                                               const std::filesystem::path& folder,
                                               const std::string& program = "gnuplot");

/// A gnuplot SVG made fit to stand inside a page: no prolog, ids prefixed with `id`, a title and
/// description for screen readers, and the page's text colour instead of black on white.
std::string inline_svg(const std::string& svg, const std::string& id, const std::string& title,
                       const std::string& description);

}  // namespace lethe::reports
