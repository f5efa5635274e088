// SPDX-License-Identifier: Apache-2.0
#include "reports/learning_report.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "harness/base/text.h"
#include "reports/document.h"
#include "reports/learning_data.h"
#include "reports/numbers.h"
#include "reports/panel_text.h"
#include "reports/plot.h"
#include "reports/report_files.h"

namespace lethe::reports {
namespace {

constexpr std::size_t kMostPoints = 400;  ///< of a line: about one per pixel of a panel
constexpr std::size_t kPanels = 2;        ///< of a figure
constexpr double kMagnitudes = 20;        ///< values that span this factor get a logarithmic axis
constexpr double kLabelDistance = 0.03;   ///< of stages, as a share of the axis of steps
constexpr const char* kSeconds = "seconds";
constexpr const char* kTokens = "tokens";

/// Metrics that are looked at together.
struct Family {
  const char* name;
  const char* title;
  bool (*holds)(std::string_view metric);
};

bool contains(std::string_view metric, std::string_view part) {
  return metric.find(part) != std::string_view::npos;
}

constexpr Family kFamilies[] = {
    {"accuracy", "accuracy", [](std::string_view metric) { return contains(metric, "accuracy"); }},
    {"loss", "loss",
     [](std::string_view metric) {
       return contains(metric, "loss") && !contains(metric, "accuracy");
     }},
    {"other", "other quantities", [](std::string_view metric) {
       return !contains(metric, "accuracy") && !contains(metric, "loss") && metric != kSeconds &&
              metric != kTokens;
     }}};

/// Four significant digits: "0.9531", "12.50", "4,812", "1.2e-05".
std::string value_text(const std::optional<double>& value) {
  if (!value) return kDash;
  const double size = std::abs(*value);
  if (size == 0) return "0";
  if (size < 1e-3 || size >= 1e15) return scientific(*value);
  if (size >= 1000) return with_thousands(std::llround(*value));
  return fixed(*value, 3 - static_cast<int>(std::floor(std::log10(size))));
}

std::optional<double> last_of(const TrainingRun& run, const std::string& metric) {
  const auto found = run.last.find(metric);
  return found == run.last.end() ? std::nullopt : found->second;
}

/// One group of runs: its figures, table and lines of summary.
class Section {
 public:
  Section(const TrainingGroup& group, std::string suffix)
      : group_(group), suffix_(std::move(suffix)), metrics_(group.metrics()) {
    for (const Family& family : kFamilies) add_figures(family);
  }

  const TrainingGroup& group() const { return group_; }
  const std::vector<PlotFigure>& figures() const { return figures_; }
  std::string file() const { return "learning" + suffix_; }

  std::string caption(const PlotFigure& figure) const {
    bool log = false;
    for (const PlotPanel& panel : figure.panels) log = log || panel.log_y;
    return "One line per seed against steps" +
           std::string(stages_ ? "; dotted: where a stage begins" : "") +
           (log ? ". Values of many magnitudes stand on a logarithmic axis" : "") +
           (thinned_ ? ". Lines of more than " + std::to_string(kMostPoints) +
                           " values are drawn through means of neighbours"
                     : "") +
           ". The numbers stand in `curves.csv` and in the view `curves`.";
  }

  Table table() const {
    Table table;
    const std::string last = "last value";
    table.caption = "Training runs, " + group_.name + " (" + group_.kind + ")";
    table.columns = {{"name"},
                     {"seed", Align::kRight},
                     {"ended"},
                     {"steps", Align::kRight},
                     {"time", Align::kRight}};
    table.header_columns = 2;
    for (const std::string& metric : metrics_) {
      if (metric != kSeconds) table.columns.push_back({metric, Align::kRight, last});
    }
    table.columns.push_back({"checkpoint"});
    for (const TrainingRun& run : group_.runs) table.add_row(row_of(table, run));
    return table;
  }

  std::vector<std::string> summary() const {
    std::vector<std::string> lines;
    for (const TrainingRun& run : group_.runs) {
      std::string line = group_.name + ", " + group_.label(run) + ": " + to_string(run.status);
      if (run.last_step) line += " after " + with_thousands(*run.last_step) + " steps";
      if (const auto seconds = last_of(run, kSeconds)) line += ", " + human_duration(*seconds);
      for (const std::string& metric : metrics_) {
        if (contains(metric, "accuracy") || contains(metric, "loss")) {
          if (const auto value = last_of(run, metric)) {
            line += ", " + metric + " " + value_text(value);
          }
        }
      }
      lines.push_back(std::move(line));
    }
    return lines;
  }

 private:
  void add_figures(const Family& family) {
    std::vector<PlotPanel> panels;
    for (const std::string& metric : metrics_) {
      if (!family.holds(metric)) continue;
      PlotPanel panel = panel_of(metric);
      if (!panel.series.empty()) panels.push_back(std::move(panel));
    }
    for (std::size_t first = 0; first < panels.size(); first += kPanels) {
      const auto begin = panels.begin() + static_cast<std::ptrdiff_t>(first);
      const auto end =
          panels.begin() + static_cast<std::ptrdiff_t>(std::min(panels.size(), first + kPanels));
      const std::string part = first == 0 ? "" : "-" + std::to_string(first / kPanels + 1);
      figures_.push_back({file() + "-" + family.name + part,
                          group_.name + ": " + family.title,
                          {std::make_move_iterator(begin), std::make_move_iterator(end)}});
    }
  }

  PlotPanel panel_of(const std::string& metric) {
    PlotPanel panel{.title = metric,
                    .x_label = "steps",
                    .y_label = "",
                    .series = {},
                    .level = {},
                    .linear_x = true,
                    .one_axis = true,
                    .bare_lines = true};
    std::size_t most = 0;
    for (const TrainingRun& run : group_.runs) {
      if (const auto found = run.curves.find(metric); found != run.curves.end()) {
        most = std::max(most, found->second.points.size());
      }
    }
    // The same of every run, so that none looks noisier than another for being shorter.
    const std::size_t neighbours = std::max<std::size_t>(1, (most + kMostPoints - 1) / kMostPoints);
    thinned_ = thinned_ || neighbours > 1;
    std::optional<double> least, largest;
    for (std::size_t i = 0; i < group_.runs.size(); ++i) {
      const TrainingRun& run = group_.runs[i];
      const auto found = run.curves.find(metric);
      if (found == run.curves.end() || found->second.points.empty()) continue;
      PlotSeries series{group_.label(run), i, {}};
      for (const CurvePoint& point : thinned(found->second.points, neighbours)) {
        series.points.push_back({point.step, point.value, {}, {}});
        least = std::min(least.value_or(point.value), point.value);
        largest = std::max(largest.value_or(point.value), point.value);
      }
      panel.series.push_back(std::move(series));
    }
    panel.from_zero = contains(metric, "accuracy");
    panel.log_y = !panel.from_zero && least && *least > 0 && *largest >= kMagnitudes * *least;
    panel.marks = marks_of(panel);
    stages_ = stages_ || !panel.marks.empty();
    return panel;
  }

  /// One mark per stage where all seeds changed at the same steps as far as they came, else those
  /// of each seed in its own colour, named at the first. Names that would stand on each other are
  /// left out.
  std::vector<PlotMark> marks_of(const PlotPanel& panel) const {
    std::vector<PlotMark> marks;
    double span = 0;
    std::vector<std::size_t> shown;
    for (const PlotSeries& series : panel.series) {
      shown.push_back(series.style);
      span = std::max(span, series.points.back().x - series.points.front().x);
    }
    const auto stages = [&](std::size_t run) -> const auto& {
      return group_.runs[run].stages;
    };
    const auto longest = std::max_element(
        shown.begin(), shown.end(),
        [&](std::size_t a, std::size_t b) { return stages(a).size() < stages(b).size(); });
    const bool equal = std::all_of(shown.begin(), shown.end(), [&](std::size_t run) {
      return std::equal(stages(run).begin(), stages(run).end(), stages(*longest).begin());
    });
    for (const std::size_t run : shown) {
      if (equal && run != *longest) continue;
      for (const StageStart& start : stages(run)) {
        PlotMark mark{.x = start.step, .label = start.stage};
        if (!equal) mark.style = run;
        const bool crowded = std::any_of(marks.begin(), marks.end(), [&](const PlotMark& other) {
          return !other.label.empty() &&
                 (other.label == mark.label || std::abs(other.x - mark.x) < kLabelDistance * span);
        });
        if (crowded) mark.label.clear();
        marks.push_back(std::move(mark));
      }
    }
    return marks;
  }

  std::vector<TableCell> row_of(Table& table, const TrainingRun& run) const {
    std::vector<TableCell> row = {{group_.name}, {std::to_string(run.seed)}};
    TableCell status{.text = to_string(run.status), .detail = run.reason};
    if (run.status == store::TrainingStatus::kFailed) status.tone = Tone::kBad;
    row.push_back(std::move(status));
    row.push_back({run.last_step ? with_thousands(*run.last_step) : kDash});
    const auto seconds = last_of(run, kSeconds);
    row.push_back({seconds ? human_duration(*seconds) : kDash});
    for (const std::string& metric : metrics_) {
      if (metric == kSeconds) continue;
      TableCell cell{value_text(last_of(run, metric))};
      const auto curve = run.curves.find(metric);
      if (curve != run.curves.end() && curve->second.not_finite > 0) {
        cell.notes.push_back(
            table.note("Values that are not finite, which no line shows: " + metric + ", " +
                       group_.label(run) + ", " + with_thousands(curve->second.not_finite) + "."));
      }
      row.push_back(std::move(cell));
    }
    row.push_back({.text = run.checkpoint.empty() ? kDash : run.checkpoint.substr(0, 12),
                   .whole = run.checkpoint});
    return row;
  }

  const TrainingGroup& group_;
  std::string suffix_;
  std::vector<std::string> metrics_;
  std::vector<PlotFigure> figures_;
  bool stages_ = false;   ///< whether some panel shows where stages begin
  bool thinned_ = false;  ///< whether some line has means instead of values
};

/// For screen readers: where each line begins and ends.
std::string describe(const PlotFigure& figure) {
  std::string out;
  for (const PlotPanel& panel : figure.panels) {
    out += (out.empty() ? "" : " ") + panel.title + ":";
    for (const PlotSeries& series : panel.series) {
      const auto at = [](const PlotPoint& point) {
        return value_text(point.y) + " at step " + with_thousands(std::llround(point.x));
      };
      out += " " + series.label + " from " + at(series.points.front()) + " to " +
             at(series.points.back()) + ";";
    }
    out.back() = '.';
  }
  return out;
}

/// All values in full, for other programs.
std::string curves_csv(const store::RunStore& store) {
  Table table;
  const auto found = store.query(
      "SELECT kind, name, seed, key, stage, step, metric, value FROM curves ORDER BY kind, name, "
      "seed, key, step, metric");
  for (const std::string& column : found.columns) table.columns.push_back({column});
  for (const auto& row : found.rows) {
    std::vector<std::string> texts;
    for (const json::value& value : row) {
      texts.push_back(value.is_null()     ? ""
                      : value.is_string() ? std::string(value.get_string())
                      : value.is_double() ? exact_text(value.get_double())
                                          : std::to_string(value.as_int64()));
    }
    table.add_row(std::move(texts));
  }
  return to_csv(table);
}

void add_section(Document& document, const Section& section, const ReportFiles& files) {
  document.blocks.push_back(Heading{2, section.group().name + " (" + section.group().kind + ")"});
  for (const PlotFigure& figure : section.figures()) {
    document.blocks.push_back(
        files.picture(figure, figure.title, describe(figure), section.caption(figure)));
  }
  Table table = section.table();
  table.sql = last_values_sql(section.group());
  document.blocks.push_back(TableBlock{section.file(), std::move(table)});
}

}  // namespace

ReportResult write_learning_report(const store::RunStore& store, const ReportRequest& request,
                                   const Clock& clock) {
  const auto groups = read_trainings(store);
  ReportFiles files(request);
  ReportResult result;
  Document document;
  document.title = request.title.empty() ? "Learning curves" : request.title;
  document.subtitle = "Every training run in the database, as its trainer stored it.";
  if (groups.empty()) {
    const std::string name = store.path().filename().string();
    document.blocks.push_back(Paragraph{
        "The database `" + name +
        "` holds no training run. Train something first; this report then fills itself."});
    result.summary.push_back("no training runs in " + name + ": nothing to report yet");
  }
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const Section section(groups[i], i == 0 ? "" : "-" + std::to_string(i + 1));
    files.draw_figures(section.figures());
    if (files.wants("csv")) files.save(section.file() + ".csv", to_csv(section.table()));
    add_section(document, section, files);
    for (std::string& line : section.summary()) result.summary.push_back(std::move(line));
  }
  if (files.wants("csv") && !groups.empty()) files.save("curves.csv", curves_csv(store));
  return files.finish(std::move(document), std::move(result),
                      footer_of(store, training_origins_sql(), clock));
}

}  // namespace lethe::reports
