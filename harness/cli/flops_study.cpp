// SPDX-License-Identifier: Apache-2.0
#include "harness/cli/flops_study.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <functional>
#include <iterator>

#include "harness/base/error.h"
#include "harness/base/names.h"
#include "harness/base/text.h"
#include "reports/numbers.h"

namespace lethe::cli {

namespace {

using models::FlopsShape;

// What was plotted had three decimals. Where the drawing resolves them, they are to be equal;
// elsewhere it resolves a relative 1e-6 of what was plotted.
constexpr double kPlottedRounding = 0.0005;
constexpr double kDrawingResolution = 1e-6;

// Of the six styles of lines one is for RMT.
constexpr std::size_t kModelsPerFigure = 5;
// Both panels of Figure 3 have the two lengths between.
constexpr std::int64_t kLongFrom = 16384;
constexpr std::int64_t kShortTo = 32768;

double base_flops(const FlopsShape& shape) {
  return models::forward_flops(shape, models::kFigure3Segment);
}

const FlopsShape& opt_shape(const std::string& name, const std::string& where) {
  std::vector<std::string> known;
  for (const FlopsShape& shape : models::opt_shapes()) {
    if (shape.name == name) return shape;
    known.push_back(shape.name);
  }
  throw unknown_name(ErrorKind::kData, where + ": model", name, known);
}

Agreement agreement_of(const FlopsPoint& point, bool resolved) {
  if (resolved) {
    const bool same = fixed(point.computed, point.digits) == fixed(point.published, point.digits);
    return same ? Agreement::kDigits : Agreement::kMissed;
  }
  const double allowed = kDrawingResolution * point.published + kPlottedRounding;
  return std::abs(point.computed - point.published) <= allowed ? Agreement::kDrawing
                                                               : Agreement::kMissed;
}

/// Numbers of one shape at one length, in operations.
struct FlopsRow {
  const FlopsShape* shape = nullptr;
  std::int64_t length = 0;
  double full = 0;
  double rmt = 0;     ///< as in the figure
  double memory = 0;  ///< with the memory tokens of the plan
  double base = 0;    ///< F(512), what ratios are relative to
  const FlopsPoint* point = nullptr;
};

std::vector<FlopsRow> rows_of(const FlopsPlan& plan, const FlopsCheck& check) {
  std::vector<FlopsRow> rows;
  for (const FlopsShape& shape : plan.shapes) {
    for (const std::int64_t length : plan.lengths) {
      rows.push_back({&shape, length, models::forward_flops(shape, static_cast<double>(length)),
                      models::rmt_flops(shape, length),
                      models::rmt_flops(shape, length, plan.segment), base_flops(shape),
                      check.find(shape.name, length)});
    }
  }
  return rows;
}

std::string agreement_text(Agreement agreement, NumberStyle style) {
  const bool exact = style == NumberStyle::kExact;
  switch (agreement) {
    case Agreement::kDigits:
      return exact ? "digits" : "3 decimals";
    case Agreement::kDrawing:
      return exact ? "drawing" : "1e-6";
    case Agreement::kMissed:
      return exact ? "missed" : "NO";
  }
  throw Error(ErrorKind::kInternal, "an agreement without a name");
}

std::string operations_text(double value) {
  std::array<char, 32> text;
  std::snprintf(text.data(), text.size(), "%.3e", value);
  return text.data();
}

std::string factor_text(double value) {
  return fixed(value, value < 10 ? 2 : 1);
}

std::string published_text(const FlopsPoint& point) {
  return point.agreement == Agreement::kDrawing ? reports::exact_text(point.published)
                                                : fixed(point.published, point.digits);
}

json::array points_json(const std::vector<FlopsPoint>& points) {
  json::array out;
  for (const FlopsPoint& point : points) {
    out.push_back({{"model", point.model},
                   {"length", point.length},
                   {"published", point.published},
                   {"computed", point.computed}});
  }
  return out;
}

std::size_t count(const std::vector<FlopsPoint>& points, Agreement agreement) {
  return static_cast<std::size_t>(
      std::count_if(points.begin(), points.end(),
                    [&](const FlopsPoint& point) { return point.agreement == agreement; }));
}

std::string met_of(const std::vector<FlopsPoint>& points) {
  return std::to_string(points.size() - count(points, Agreement::kMissed)) + " of " +
         std::to_string(points.size());
}

reports::PlotSeries curve(const std::string& label, std::size_t style,
                          const std::vector<std::int64_t>& lengths,
                          const std::function<double(double)>& ratio) {
  reports::PlotSeries series{label, style, {}};
  for (const std::int64_t length : lengths) {
    const auto x = static_cast<double>(length);
    series.points.push_back({x, ratio(x), {}, {}});
  }
  return series;
}

}  // namespace

std::vector<FlopsPoint> FlopsCheck::missed() const {
  std::vector<FlopsPoint> out;
  for (const auto* points : {&full, &line, &reductions}) {
    std::copy_if(points->begin(), points->end(), std::back_inserter(out),
                 [](const FlopsPoint& point) { return point.agreement == Agreement::kMissed; });
  }
  return out;
}

const FlopsPoint* FlopsCheck::find(const std::string& model, std::int64_t length) const {
  const FlopsPoint* found = nullptr;
  for (const FlopsPoint& point : full) {
    if (point.model != model || point.length != length) continue;
    if (!found || point.agreement == Agreement::kMissed) found = &point;
  }
  return found;
}

FlopsCheck check_figure_3(const reports::PublishedTable& table) {
  FlopsCheck check;
  check.source = "arXiv " + table.arxiv + ", " + table.place;
  for (const reports::PublishedValue& value : table.values) {
    if (!value.length) {
      throw Error(ErrorKind::kData, table.id + ": expected a length for every value, found none");
    }
    FlopsPoint point{.model = value.model, .length = *value.length, .published = value.value};
    if (value.policy == "rmt" && value.metric.empty()) {
      point.computed =
          static_cast<double>(point.length) / static_cast<double>(models::kFigure3Segment);
      point.agreement = agreement_of(point, true);
      check.line.push_back(point);
      continue;
    }
    const FlopsShape& shape = opt_shape(value.model, table.id);
    const double full = models::forward_flops(shape, static_cast<double>(point.length));
    if (value.policy == "rmt") {
      point.computed = full / models::rmt_flops(shape, point.length);
      point.digits = 0;
      point.agreement = agreement_of(point, true);
      check.reductions.push_back(point);
    } else {
      point.computed = full / base_flops(shape);
      point.agreement = agreement_of(point, value.reading_error.value_or(0) <= kPlottedRounding);
      check.full.push_back(point);
    }
  }
  return check;
}

std::string summary_of(const FlopsCheck& check) {
  std::string out =
      "Published (" + check.source + "): " + met_of(check.full) +
      " points of full attention equal the formula, " +
      std::to_string(count(check.full, Agreement::kDigits)) + " in all three decimals and " +
      std::to_string(count(check.full, Agreement::kDrawing)) +
      " within what the drawing resolves (a relative 1e-6).\nRMT line: " + met_of(check.line) +
      " points equal L/512.\n";
  for (const FlopsPoint& point : check.reductions) {
    out += "RMT at " + with_thousands(point.length) + " tokens, " + point.model + ": x" +
           fixed(point.computed, 1) + " fewer operations; printed x" +
           fixed(point.published, point.digits) + ".\n";
  }
  for (const FlopsPoint& point : check.missed()) {
    out += "NOT MET: " + point.model + " at " + with_thousands(point.length) + ": published " +
           reports::exact_text(point.published) + ", computed " +
           reports::exact_text(point.computed) + ".\n";
  }
  return out;
}

reports::Table flops_table(const FlopsPlan& plan, const FlopsCheck& check, NumberStyle style) {
  const bool exact = style == NumberStyle::kExact;
  reports::Table table;
  const std::string tokens = std::to_string(plan.segment.tokens);
  const std::string memory = std::to_string(plan.segment.memory);
  table.caption =
      "FLOPs of one forward pass (x: over F(512) of the same model). RMT: as in Figure 3, " +
      std::string("(L/512) F(512); T+2m: (L/T) F(T+2m) with T=") + tokens + ", m=" + memory;
  const std::vector<std::pair<std::string, std::string>> names{{"model", "model"},
                                                               {"length", "length"},
                                                               {"full: FLOPs", "full_flops"},
                                                               {"full: x", "full_ratio"},
                                                               {"published: x", "published"},
                                                               {"equal to", "agreement"},
                                                               {"RMT: FLOPs", "rmt_flops"},
                                                               {"RMT: x", "rmt_ratio"},
                                                               {"full/RMT", "speed_up"},
                                                               {"T+2m: FLOPs", "memory_flops"},
                                                               {"T+2m: x", "memory_ratio"},
                                                               {"full/T+2m", "memory_speed_up"}};
  for (const auto& [label, key] : names) {
    const bool text = key == "model" || key == "agreement";
    table.columns.push_back(
        {exact ? key : label, text ? reports::Align::kLeft : reports::Align::kRight});
  }
  const auto operations = [&](double value) {
    return exact ? reports::exact_text(value) : operations_text(value);
  };
  const auto ratio = [&](double value) {
    return exact ? reports::exact_text(value) : fixed(value, 3);
  };
  const auto factor = [&](double value) {
    return exact ? reports::exact_text(value) : factor_text(value);
  };
  for (const FlopsRow& row : rows_of(plan, check)) {
    const FlopsPoint* point = row.point;
    std::string published;
    if (point) published = exact ? reports::exact_text(point->published) : published_text(*point);
    table.add_row({row.shape->name, exact ? std::to_string(row.length) : with_thousands(row.length),
                   operations(row.full), ratio(row.full / row.base), published,
                   point ? agreement_text(point->agreement, style) : "", operations(row.rmt),
                   ratio(row.rmt / row.base), factor(row.full / row.rmt), operations(row.memory),
                   ratio(row.memory / row.base), factor(row.full / row.memory)});
  }
  return table;
}

json::object flops_json(const FlopsPlan& plan, const FlopsCheck& check) {
  json::array rows;
  for (const FlopsRow& row : rows_of(plan, check)) {
    const FlopsPoint* point = row.point;
    rows.push_back(
        {{"model", row.shape->name},
         {"length", row.length},
         {"full_flops", row.full},
         {"full_ratio", row.full / row.base},
         {"published", point ? json::value(point->published) : json::value()},
         {"agreement", point ? json::value(agreement_text(point->agreement, NumberStyle::kExact))
                             : json::value()},
         {"rmt_flops", row.rmt},
         {"rmt_ratio", row.rmt / row.base},
         {"speed_up", row.full / row.rmt},
         {"memory_flops", row.memory},
         {"memory_ratio", row.memory / row.base},
         {"memory_speed_up", row.full / row.memory}});
  }
  return {{"segment", plan.segment.tokens},
          {"memory", plan.segment.memory},
          {"rows", std::move(rows)},
          {"published",
           {{"source", check.source},
            {"points", check.full.size()},
            {"equal_digits", count(check.full, Agreement::kDigits)},
            {"equal_drawing", count(check.full, Agreement::kDrawing)},
            {"rmt_line", check.line.size()},
            {"reductions", points_json(check.reductions)},
            {"missed", points_json(check.missed())}}}};
}

std::vector<reports::PlotFigure> flops_figures(const FlopsPlan& plan) {
  std::vector<reports::PlotFigure> figures;
  for (std::size_t first = 0; first < plan.shapes.size(); first += kModelsPerFigure) {
    const std::size_t last = std::min(plan.shapes.size(), first + kModelsPerFigure);
    const std::string number = first == 0 ? "" : "-" + std::to_string(figures.size() + 1);
    reports::PlotFigure figure{"rmt-flops" + number, "Operations of a forward pass", {}};
    for (const bool far : {false, true}) {
      std::vector<std::int64_t> lengths;
      std::copy_if(plan.lengths.begin(), plan.lengths.end(), std::back_inserter(lengths),
                   [far](std::int64_t l) { return far ? l >= kLongFrom : l <= kShortTo; });
      if (lengths.empty()) continue;
      reports::PlotPanel panel;
      panel.title = far ? "from " + with_thousands(kLongFrom) + " tokens"
                        : "up to " + with_thousands(kShortTo) + " tokens";
      panel.x_label = "tokens";
      panel.y_label = "x FLOPs at 512 tokens";
      panel.log_y = true;
      for (std::size_t s = first; s < last; ++s) {
        const FlopsShape& shape = plan.shapes[s];
        panel.series.push_back(curve(shape.name, s - first, lengths, [&](double length) {
          return models::forward_flops(shape, length) / base_flops(shape);
        }));
      }
      panel.series.push_back(curve("RMT, any model", kModelsPerFigure, lengths, [](double length) {
        return length / static_cast<double>(models::kFigure3Segment);
      }));
      figure.panels.push_back(std::move(panel));
    }
    figures.push_back(std::move(figure));
  }
  return figures;
}

}  // namespace lethe::cli
