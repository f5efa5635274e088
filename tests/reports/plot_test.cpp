// SPDX-License-Identifier: Apache-2.0
#include "reports/plot.h"

#include "harness/base/error.h"
#include "harness/base/text.h"
#include "reports/heat_map.h"
#include "reports/plot_axes.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

using namespace lethe;
using namespace lethe::reports;
using Catch::Matchers::Contains;

namespace {

PlotSeries series(const std::string& label, std::size_t style, std::vector<double> values) {
  PlotSeries out{label, style, {}};
  double x = 64;
  for (const double value : values) {
    out.points.push_back({x, value, value * 0.9, value * 1.1});
    x *= 2;
  }
  return out;
}

PlotFigure figure(bool explodes) {
  PlotPanel panel{.title = "model \"m\"",
                  .x_label = "budget",
                  .y_label = "perplexity",
                  .series = {series("calm", 0, {32, 30, 28}),
                             series("wild", 1, {explodes ? 900.0 : 33.0, 31, 28})},
                  .level = PlotLevel{"full", 28, 27, 29},
                  .hollow = false};
  return {"figure", "A figure", {panel}};
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("the plot script draws every series, interval, the level and powers of two",
          "[reports][unit]") {
  const std::string script = gnuplot_script(figure(false));
  CHECK(has(script, "set logscale x 2"));
  CHECK(has(script, "set xtics nomirror out scale 0.6 (\"64\" 64, \"128\" 128, \"256\" 256)"));
  CHECK(has(script, "title \"calm\""));
  CHECK(has(script, "title \"wild\""));
  CHECK(has(script, "title \"full\""));
  CHECK(has(script, "with vectors nohead"));
  CHECK(has(script, "with filledcurves"));
  CHECK(has(script, "set title \"model \\\"m\\\"\""));
  CHECK(has(script, "set output \"figure.svg\""));
  CHECK(has(script, "set output \"figure.png\""));
  CHECK_FALSE(has(script, "set logscale y"));
}

TEST_CASE("series that explode get a logarithmic strip of their own", "[reports][unit]") {
  const PlotFigure wild = figure(true);
  REQUIRE(strip_threshold(wild.panels[0]));
  CHECK(*strip_threshold(wild.panels[0]) > 32);
  CHECK(*strip_threshold(wild.panels[0]) < 900);
  CHECK(has(gnuplot_script(wild), "set logscale y 10"));
  CHECK_FALSE(strip_threshold(figure(false).panels[0]));
  CHECK_FALSE(strip_threshold(PlotPanel{}));
}

TEST_CASE("amounts stand on one axis from zero", "[reports][unit]") {
  PlotFigure amounts = figure(true);
  REQUIRE(strip_threshold(amounts.panels[0]));
  amounts.panels[0].from_zero = true;
  CHECK_FALSE(strip_threshold(amounts.panels[0]));
  CHECK(has(gnuplot_script(amounts), "set yrange [0:"));
  CHECK_FALSE(has(gnuplot_script(amounts), "set logscale y"));
}

TEST_CASE("values of many magnitudes stand on one logarithmic axis", "[reports][unit]") {
  PlotFigure magnitudes = figure(true);
  magnitudes.panels[0].log_y = true;
  CHECK_FALSE(strip_threshold(magnitudes.panels[0]));
  const std::string script = gnuplot_script(magnitudes);
  CHECK(has(script, "set logscale y 10"));
  CHECK(
      has(script, "set ytics (\"50\" 50, \"100\" 100, \"200\" 200, \"500\" 500, \"1,000\" 1000)"));
  CHECK_FALSE(has(script, "set ytics autofreq"));
  CHECK(has(script, "\n64 32 "));  // without intervals to be told apart, every point at its place
  for (auto& series : magnitudes.panels[0].series) {
    series.points.back() = {2048000, 1180263, {}, {}};
    series.points.front() = {64000, 30, {}, {}};
  }
  const std::string large = gnuplot_script(magnitudes);
  CHECK(has(large, "\"64k\" 64000, \"2.048M\" 2048000"));
  CHECK(has(large, "\"100k\" 1e+05, \"1M\" 1e+06"));
}

TEST_CASE("lines of many points have no marks, and stages stand beside them", "[reports][unit]") {
  PlotFigure many = figure(false);
  many.panels[0].bare_lines = true;
  many.panels[0].marks = {{.x = 100, .label = "two \"segments\""}, {.x = 200, .style = 1}};
  const std::string script = gnuplot_script(many);
  CHECK_FALSE(has(script, "linespoints pointtype"));
  CHECK(has(script, "set arrow 10 from first 100, graph 0 to first 100, graph 1 nohead"));
  CHECK(has(script, "set label 10 \"two \\\"segments\\\"\" at first 100"));
  CHECK(has(script, "dashtype 3 linecolor rgb \"#0072B2\" back"));
  CHECK_FALSE(has(script, "set label 11"));
}

TEST_CASE("a legend of long names takes rows enough for all of them", "[reports][integration]") {
  PlotFigure names = figure(false);
  names.panels[0].series.clear();
  for (int i = 0; i < 6; ++i) {
    names.panels[0].series.push_back(
        {"window:sinks=4, cache-relative positions " + std::to_string(i),
         static_cast<std::size_t>(i),
         {{64, 20.0 + i, {}, {}}, {128, 19.0 + i, {}, {}}}});
  }
  const test::TempDir dir;
  const std::string svg = read_file(draw(names, dir.path())[1], ErrorKind::kData);
  for (int i = 0; i < 6; ++i) {
    CHECK(has(svg, "cache-relative positions " + std::to_string(i) + "</text>"));
  }
}

TEST_CASE("intervals that dwarf the values are cut, and known to be", "[reports][unit]") {
  PlotFigure wide = figure(false);
  CHECK_FALSE(cuts_intervals(wide.panels[0]));
  wide.panels[0].series[0].points[0].high = 1e6;
  CHECK(cuts_intervals(wide.panels[0]));
  const std::string script = gnuplot_script(wide);
  const auto range = script.find("set yrange [2");
  REQUIRE(range != std::string::npos);
  CHECK(std::stod(script.substr(script.find(':', range) + 1)) < 60);
}

TEST_CASE("published values have hollow marks", "[reports][unit]") {
  PlotFigure published = figure(false);
  published.panels[0].hollow = true;
  CHECK(has(gnuplot_script(figure(false)), "with linespoints pointtype 9"));
  CHECK(has(gnuplot_script(published), "with linespoints pointtype 8"));
}

TEST_CASE("a published line among measured ones is hollow, in the legend too", "[reports][unit]") {
  PlotFigure mixed = figure(false);
  mixed.panels[0].series[1].hollow = true;
  const std::string script = gnuplot_script(mixed);
  CHECK(has(script, "with linespoints pointtype 9 linewidth 1.9"));
  CHECK(has(script, "with linespoints pointtype 4 dashtype (9,5)"));
  CHECK(has(script, "NaN with linespoints pointtype 4 dashtype (9,5) linewidth 1.3"));
}

TEST_CASE("labels of a crowded axis keep their distance", "[reports][unit]") {
  const std::vector<double> few{64, 128, 256, 512, 1024};
  CHECK(x_ticks(few, 0.24) == few);
  std::vector<double> many;
  for (int i = 1; i <= 15; ++i) many.push_back(i);
  for (double x = 16; x <= 4096; x *= 2) many.push_back(x);
  const auto wide = x_ticks(many, 0.9);
  CHECK(wide.back() == 4096);
  CHECK(wide == std::vector<double>{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096});
  CHECK(x_ticks(many, 0.2).size() <= 6);
  CHECK(x_ticks({3, 3.1, 5}, 0.2) == std::vector<double>{3.1, 5});
  CHECK(x_ticks({16}, 0.2) == std::vector<double>{16});
}

TEST_CASE("a heat map has a number in every field that has one", "[reports][integration]") {
  const HeatMap map{.name = "matrix",
                    .title = "A matrix",
                    .x_label = "tested on",
                    .y_label = "trained on",
                    .columns = {"1", "2"},
                    .rows = {"1", "7"},
                    .panels = {{"ours", {{100.0, 16.7}, {99.96, std::nullopt}}}},
                    .low = 0,
                    .high = 100};
  const std::string script = heat_map_script(map);
  CHECK(has(script, "\n0 0 0x660072B2 100\n1 0 0xE50072B2 16.7\n0 1 0x660072B2 100\nEOD\n"));
  CHECK(describe_heat_map(map) ==
        "ours. trained on 1: 100 at 1, 16.7 at 2; trained on 7: 100 at 1.");
  const test::TempDir dir;
  const auto files = draw_script(map.name, script, dir.path());
  const std::string svg = inline_svg(read_file(files[1], ErrorKind::kData), "m", "t", "d");
  CHECK(has(svg, "16.7"));
  CHECK(has(svg, "currentColor"));
}

TEST_CASE("gnuplot draws SVG and PNG, and the SVG stands in a page", "[reports][integration]") {
  const test::TempDir dir;
  const auto files = draw(figure(true), dir.path());
  REQUIRE(files.size() == 3);
  CHECK(read_file(files[2], ErrorKind::kData).substr(1, 3) == "PNG");
  const std::string svg = inline_svg(read_file(files[1], ErrorKind::kData), "p1", "T & t", "words");
  CHECK(svg.starts_with("<svg viewBox="));
  CHECK(has(svg, "<title id=\"p1-title\">T &amp; t</title>"));
  CHECK(has(svg, "<desc id=\"p1-desc\">words</desc>"));
  CHECK(has(svg, "href='#p1-gpPt"));
  CHECK_FALSE(has(svg, "href='#gpPt"));
  CHECK_FALSE(has(svg, "<title>"));
  CHECK_FALSE(has(svg, "rgb(51,51,51)"));
  CHECK_FALSE(has(svg, "fill=\"#ffffff\""));
  CHECK_THROWS_AS(inline_svg("no picture", "p1", "", ""), Error);
}

TEST_CASE("a missing or broken gnuplot is said plainly", "[reports][unit]") {
  const test::TempDir dir;
  for (const std::string program : {"no-such-gnuplot", "/no/such/gnuplot"}) {
    CHECK_THROWS_WITH(draw(figure(false), dir.path(), program),
                      Contains("apt-get install gnuplot-nox"));
  }
  CHECK_THROWS_WITH(draw(figure(false), dir.path(), "false"), Contains("ended with status 1"));
  CHECK_THROWS_AS(draw(figure(false), dir / "missing"), Error);
}
