// SPDX-License-Identifier: Apache-2.0
#include "reports/plot.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "harness/base/names.h"
#include "harness/base/text.h"
#include "reports/numbers.h"
#include "reports/plot_axes.h"

namespace lethe::reports {
namespace {

// Okabe and Ito's palette without its yellow and black: distinct under every common colour vision
// deficiency, on white and on dark paper. Markers differ too, so that grey print stays readable.
struct Style {
  const char* colour;
  int filled;
  int hollow;
};
constexpr std::array<Style, 6> kStyles{{{"#D55E00", 9, 8},
                                        {"#0072B2", 5, 4},
                                        {"#009E73", 13, 12},
                                        {"#CC79A7", 7, 6},
                                        {"#E69F00", 11, 10},
                                        {"#56B4E9", 15, 14}}};
/// Of series number `index`. Past the palette colours come again, with the next one's mark.
Style style_of(std::size_t index) {
  const std::size_t round = index / kStyles.size();
  Style style = kStyles[index % kStyles.size()];
  const Style& marks = kStyles[(index + round) % kStyles.size()];
  style.filled = marks.filled;
  style.hollow = marks.hollow;
  return style;
}
constexpr const char* kGrid = "#b4b4b4";
constexpr int kWidth = 1120;
constexpr int kHeight = 500;

// Places in shares of the canvas.
constexpr double kLeft = 0.072;
constexpr double kRight = 0.985;
constexpr double kBottom = 0.125;
constexpr double kTop = 0.85;
constexpr double kPanelGap = 0.09;
constexpr double kStripGap = 0.03;
constexpr double kStripShare = 0.3;
constexpr double kLegendRow = 0.05;

// Pixels of the canvas: an average letter of a label, and what stands before it.
constexpr double kLetter = 7.4;
constexpr double kLegendSample = 60;

std::string number(double value) {
  return exact_text(value);
}

std::string tick_label(double tick) {
  if (tick >= 1e6 || (tick > 0 && tick < 1e-3)) return scientific(tick);
  if (tick > 0 && tick < 1) return fixed(tick, 1 - static_cast<int>(std::floor(std::log10(tick))));
  return tick >= 100 || tick == std::round(tick) ? with_thousands(std::llround(tick))
                                                 : fixed(tick, 1);
}

/// "64k", "2.048M", where full numbers would run into each other.
std::string compact_label(double tick) {
  if (tick >= 1e6) return exact_text(tick / 1e6) + "M";
  return tick >= 1e4 && std::fmod(tick, 1e3) == 0 ? exact_text(tick / 1e3) + "k" : tick_label(tick);
}

std::string tick_list(const std::vector<double>& ticks, bool compact = false) {
  std::string out = "(";
  for (std::size_t i = 0; i < ticks.size(); ++i) {
    const std::string label = compact ? compact_label(ticks[i]) : tick_label(ticks[i]);
    out += (i ? ", " : "") + gnuplot_string(label) + " " + number(ticks[i]);
  }
  return out + ")";
}

std::string block_name(std::size_t panel, std::size_t series) {
  return "$data_" + std::to_string(panel) + "_" + std::to_string(series);
}

/// Inline data. Neighbouring lines are moved a little apart so that their intervals can be told.
std::string data_blocks(const PlotFigure& figure) {
  std::string out;
  for (std::size_t p = 0; p < figure.panels.size(); ++p) {
    const PlotPanel& panel = figure.panels[p];
    for (std::size_t s = 0; s < panel.series.size(); ++s) {
      const double middle = (static_cast<double>(panel.series.size()) - 1) / 2;
      const double offset = panel.hollow || panel.linear_x || panel.log_y
                                ? 0
                                : 0.07 * (static_cast<double>(s) - middle);
      out += block_name(p, s) + " << EOD\n";
      for (const PlotPoint& point : panel.series[s].points) {
        out += number(point.x * std::exp2(offset)) + " " + number(point.y) + " " +
               number(point.low.value_or(point.y)) + " " + number(point.high.value_or(point.y)) +
               "\n";
      }
      out += "EOD\n";
    }
  }
  return out;
}

/// A column where column 2 lies between the ends of `y`, else a gap: a line must not cross from one
/// scale to another.
std::string within(Range y, const std::string& value = "$2") {
  return "($2 >= " + number(y.low) + " && $2 <= " + number(y.high) + " ? " + value + " : NaN)";
}

/// How a line looks, in its panel and in the legend alike.
std::string line_style(const Style& style, bool hollow, bool bare) {
  const std::string marks = std::to_string(hollow ? style.hollow : style.filled);
  return (bare ? "lines" : "linespoints pointtype " + marks) +
         (hollow ? " dashtype (9,5) linewidth 1.3" : " linewidth 1.9") + " linecolor rgb " +
         gnuplot_string(style.colour);
}

std::string plot_command(const PlotPanel& panel, std::size_t index, Range y) {
  std::vector<std::string> parts;
  if (panel.level && panel.level->y >= y.low && panel.level->y <= y.high) {
    const PlotLevel& level = *panel.level;
    if (level.low && level.high) {
      // "+" gives the abscissae: a band across the whole panel.
      parts.push_back("'+' using 1:(" + number(std::max(*level.low, y.low)) + "):(" +
                      number(std::min(*level.high, y.high)) +
                      ") with filledcurves fillstyle solid 0.18 noborder linecolor rgb " +
                      gnuplot_string(kGrid) + " notitle");
    }
    parts.push_back(number(level.y) + " with lines linewidth 1.6 dashtype 2 linecolor rgb " +
                    gnuplot_string(kInk) + " notitle");
  }
  for (std::size_t s = 0; s < panel.series.size(); ++s) {
    const PlotSeries& series = panel.series[s];
    const Style style = style_of(series.style);
    const std::string colour = "linecolor rgb " + gnuplot_string(style.colour);
    const bool hollow = panel.hollow || series.hollow;
    const bool bars = std::any_of(series.points.begin(), series.points.end(),
                                  [](const PlotPoint& point) { return point.low.has_value(); });
    if (bars) {
      // Vectors without heads, since error bars insist on a mark of their own.
      parts.push_back(block_name(index, s) + " using 1:" + within(y, "$3") +
                      ":(0):($4 - $3) with vectors nohead linewidth 1.1 " + colour + " notitle");
    }
    parts.push_back(block_name(index, s) + " using 1:" + within(y) + " with " +
                    line_style(style, hollow, panel.bare_lines) + " notitle");
  }
  std::string out = "plot ";
  for (std::size_t i = 0; i < parts.size(); ++i) out += (i ? ", \\\n     " : "") + parts[i];
  return parts.empty() ? "" : out + "\n";
}

std::string screen_margins(double left, double right, double bottom, double top) {
  return "set lmargin at screen " + number(left) + "\nset rmargin at screen " + number(right) +
         "\nset bmargin at screen " + number(bottom) + "\nset tmargin at screen " + number(top) +
         "\n";
}

/// The two short strokes that mark a broken axis.
std::string break_marks(double left, double low, double high) {
  std::string out;
  int tag = 1;
  for (const double y : {low, high}) {
    out += "set arrow " + std::to_string(tag++) + " from screen " + number(left - 0.006) +
           ", screen " + number(y - 0.008) + " to screen " + number(left + 0.006) + ", screen " +
           number(y + 0.008) + " nohead linewidth 1.2 linecolor rgb " + gnuplot_string(kInk) +
           " front\n";
  }
  return out;
}

/// What begins where. Arrows and labels are numbered apart from those of the axes.
std::string marks_of(const PlotPanel& panel) {
  std::string out;
  int tag = 10;
  for (const PlotMark& mark : panel.marks) {
    const std::string colour =
        " rgb " + gnuplot_string(mark.style ? kStyles[*mark.style % kStyles.size()].colour : kInk);
    const std::string x = number(mark.x);
    out += "set arrow " + std::to_string(tag) + " from first " + x + ", graph 0 to first " + x +
           ", graph 1 nohead linewidth 0.8 dashtype 3 linecolor" + colour + " back\n";
    if (!mark.label.empty()) {
      out += "set label " + std::to_string(tag) + " " + gnuplot_string(mark.label) + " at first " +
             x + ", graph 0.02 rotate by 90 left offset 0.7,0 font \",10\" textcolor" + colour +
             "\n";
    }
    ++tag;
  }
  return out;
}

std::string panel_body(const PlotPanel& panel, std::size_t index, double left, double right,
                       double top) {
  const std::vector<double> budgets = plot_abscissae(panel);
  if (budgets.empty()) return "";
  const auto threshold = strip_threshold(panel);
  const double height = top - kBottom;
  const double main_top = threshold ? kBottom + height * (1 - kStripShare) - kStripGap : top;
  const Range y = main_range(panel, threshold);
  const std::string title = "set title " + gnuplot_string(panel.title) +
                            " offset 0,-0.4 textcolor rgb " + gnuplot_string(kInk) + "\n";
  const double margin = std::max(0.5, 0.03 * (budgets.back() - budgets.front()));
  std::string out = panel.linear_x
                        ? "unset logscale x\nset xrange [" + number(budgets.front() - margin) +
                              ":" + number(budgets.back() + margin) + "]\n"
                        : "set logscale x 2\nset xrange [" + number(budgets.front() / 1.25) + ":" +
                              number(budgets.back() * 1.25) + "]\n";
  if (threshold) {
    const Range strip = strip_range(panel, *threshold, y.high);
    const double strip_bottom = main_top + kStripGap;
    out += screen_margins(left, right, strip_bottom, top);
    out +=
        "set border 14 linecolor rgb " + gnuplot_string(kInk) + "\n";  // open towards the main part
    out += "set logscale y 10\nset yrange [" + number(strip.low) + ":" + number(strip.high) + "]\n";
    out += "set ytics " + tick_list(log_ticks(strip)) + "\n";
    out += "unset xtics\nunset xlabel\n" + title;
    out += break_marks(left, main_top, strip_bottom);
    out += plot_command(panel, index, strip);
    out += "unset arrow\nunset title\nunset logscale y\nset border 11 linecolor rgb " +
           gnuplot_string(kInk) + "\n";
  } else {
    out += "set border 15 linecolor rgb " + gnuplot_string(kInk) + "\n" + title;
  }
  out += screen_margins(left, right, kBottom, main_top);
  if (panel.log_y) out += "set logscale y 10\n";
  out += "set yrange [" + number(y.low) + ":" + number(y.high) + "]\nset ytics " +
         (panel.log_y ? tick_list(log_ticks(y), true) : "autofreq") + "\n";
  out += "set xtics nomirror out scale 0.6 " +
         (panel.linear_x ? std::string("autofreq")
                         : tick_list(x_ticks(budgets, right - left), panel.log_y)) +
         " textcolor rgb " + gnuplot_string(kInk) + "\n";
  out += "set xlabel " + gnuplot_string(panel.x_label) + " offset 0,0.3 textcolor rgb " +
         gnuplot_string(kInk) + "\n";
  // The label belongs to both parts of a broken axis: it stands at the middle of the whole.
  out += "set label 1 " + gnuplot_string(panel.y_label) + " at screen " + number(left - 0.058) +
         ", screen " + number((top + kBottom) / 2) + " rotate by 90 center textcolor rgb " +
         gnuplot_string(kInk) + "\n";
  out += marks_of(panel) + plot_command(panel, index, y);
  if (panel.log_y) out += "unset logscale y\n";
  return out + "unset label\nunset arrow\nunset title\n";
}

/// What a legend says of one kind of line.
struct LegendEntry {
  std::string label;
  std::string style;
};

std::vector<LegendEntry> legend_entries(const PlotFigure& figure) {
  std::vector<LegendEntry> entries;
  std::set<std::string> known;
  for (const PlotPanel& panel : figure.panels) {
    // A later panel's level is the same kind of line under another name.
    if (panel.level && entries.empty()) {
      entries.push_back({panel.level->label,
                         "lines linewidth 1.6 dashtype 2 linecolor rgb " + gnuplot_string(kInk)});
    }
    for (const PlotSeries& series : panel.series) {
      if (!known.insert(series.label).second) continue;
      const Style style = style_of(series.style);
      entries.push_back({series.label, line_style(style, series.hollow, panel.bare_lines)});
    }
  }
  return entries;
}

/// Entries that fit side by side: gnuplot gives all the width of the longest, and leaves out what
/// finds no room.
std::size_t legend_columns(const std::vector<LegendEntry>& entries) {
  std::size_t longest = 1;
  for (const LegendEntry& entry : entries) longest = std::max(longest, entry.label.size());
  const double width = kLetter * static_cast<double>(longest) + kLegendSample;
  return std::max<std::size_t>(1, static_cast<std::size_t>(0.98 * kWidth / width));
}

/// One legend for all panels, in rows from the top: plots of nothing across the canvas, whose keys
/// have room for one row each. `top` becomes the place of the panels' upper edge.
std::string legend(const PlotFigure& figure, double& top) {
  const auto entries = legend_entries(figure);
  const std::size_t columns = legend_columns(entries);
  std::string out = "unset border\nunset tics\nset xrange [1:2]\nset yrange [0:1]\n";
  double edge = 0.995;
  for (std::size_t first = 0; first < entries.size(); first += columns) {
    if (first > 0) {
      edge -= kLegendRow;
      top -= kLegendRow;
    }
    std::vector<std::string> parts;
    for (std::size_t i = first; i < std::min(entries.size(), first + columns); ++i) {
      parts.push_back("NaN with " + entries[i].style + " title " +
                      gnuplot_string(entries[i].label));
    }
    out += screen_margins(0.01, 0.99, edge - 0.065, edge) +
           "set key inside center center horizontal reverse Left samplen 2.4 textcolor rgb " +
           gnuplot_string(kInk) + "\nplot " + join(parts, ", ") + "\n";
  }
  return out + "unset key\nset ytics nomirror out textcolor rgb " + gnuplot_string(kInk) + "\n";
}

std::string figure_body(const PlotFigure& figure) {
  std::string out =
      "set multiplot\nset style data linespoints\nset pointsize 1.05\n"
      "set samples 2\n"
      "set logscale x 2\n"
      "set grid ytics linewidth 0.6 linetype 1 linecolor rgb " +
      gnuplot_string(kGrid) + " back\n";
  double top = kTop;
  out += legend(figure, top);
  const double count = static_cast<double>(figure.panels.size());
  const double width = (kRight - kLeft - kPanelGap * (count - 1)) / count;
  for (std::size_t i = 0; i < figure.panels.size(); ++i) {
    const double left = kLeft + static_cast<double>(i) * (width + kPanelGap);
    out += panel_body(figure.panels[i], i, left, left + width, top);
  }
  return out + "unset multiplot\n";
}

}  // namespace

std::string gnuplot_script(const PlotFigure& figure) {
  const std::string size = std::to_string(kWidth) + "," + std::to_string(kHeight);
  const std::string double_size = std::to_string(2 * kWidth) + "," + std::to_string(2 * kHeight);
  const std::string body = figure_body(figure);
  return "# " + figure.title + "\n# Redraw: gnuplot -d " + figure.name +
         ".gp\nset encoding utf8\n" + data_blocks(figure) + "\nset terminal svg noenhanced size " +
         size + " font \"sans-serif,13\" background \"white\"\nset output " +
         gnuplot_string(figure.name + ".svg") + "\n" + body +
         "set output\nreset\n\nset terminal pngcairo noenhanced size " + double_size +
         " font \"sans,13\" fontscale 1.65 linewidth 2 pointscale 2 background \"white\"\nset "
         "output " +
         gnuplot_string(figure.name + ".png") + "\n" + body + "set output\n";
}

}  // namespace lethe::reports
