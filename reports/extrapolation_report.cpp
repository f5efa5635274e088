// SPDX-License-Identifier: Apache-2.0
#include "reports/extrapolation_report.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/base/json.h"
#include "harness/base/names.h"
#include "harness/base/text.h"
#include "reports/claims.h"
#include "reports/numbers.h"
#include "reports/panel_text.h"
#include "reports/perplexity_tables.h"
#include "reports/published.h"
#include "reports/report_files.h"

namespace lethe::reports {
namespace {

constexpr std::int64_t kPoints = 7;  // 10K to 70K in the paper
constexpr std::array<std::string_view, 2> kTasks{"pg19", "text"};

std::int64_t tokens_at(std::int64_t length, std::int64_t point) {
  return length * point / kPoints;
}

/// A cell, and the same with every sample cut to the first 1, 2, … kPoints parts of the length.
struct Line {
  CellResult cell;
  std::string positions;  ///< kDash where nothing leaves: every kind is the same
  std::vector<CellResult> beginnings;

  bool usable() const {
    return cell.usable() && !beginnings.empty() && !beginnings.back().samples.empty();
  }
  std::string name() const {
    return cell.policy + (cell.budget ? ", " + positions + " positions" : "");
  }
  double perplexity(std::int64_t point) const {
    return estimate_perplexity(beginnings.at(static_cast<std::size_t>(point - 1))).perplexity;
  }
};

/// Lines that may stand in one table: positions are what is compared.
struct Part {
  Panel panel;  ///< all their cells; its positions are those of the first
  std::vector<Line> lines;
};

/// nll_FUNCTION of the first `point` parts of a trace. The first token of a text is not predicted.
std::string beginning_sql(const std::string& function, std::int64_t point) {
  return function + "(sample.nll_trace, 0, length * " + std::to_string(point) + " / " +
         std::to_string(kPoints) + " - 1)";
}

std::string from_sql(const Selection& selection) {
  return "\nFROM sample JOIN cell ON cell.id = sample.cell_id\nWHERE sample.nll_trace IS NOT NULL "
         "AND cell.key IN (" +
         cell_keys_sql(selection) + ")\n";
}

/// One row per cell, a column for every point.
std::string points_sql(const Selection& selection) {
  std::string out = "SELECT policy, budget, positions, model, length, dtype";
  for (std::int64_t point = 1; point <= kPoints; ++point) {
    out += ",\n       exp(sum(" + beginning_sql("nll_sum", point) + ") / sum(" +
           beginning_sql("nll_count", point) + ")) AS ppl_" + std::to_string(point);
  }
  return out + ",\n       count(*) AS samples, cell.key AS cell_key" + from_sql(selection) +
         "GROUP BY cell.id ORDER BY model, length, policy, budget, positions";
}

/// One row per sample: sum of NLL and tokens of every beginning.
std::string samples_sql(const Selection& selection) {
  std::string out = "SELECT cell.key, sample.sample_id, sample.sample_hash, sample.cluster";
  for (std::int64_t point = 1; point <= kPoints; ++point) {
    out +=
        ",\n       " + beginning_sql("nll_sum", point) + ", " + beginning_sql("nll_count", point);
  }
  return out + from_sql(selection) + "ORDER BY cell.key, sample.sample_id";
}

using Beginnings = std::vector<std::vector<SampleValue>>;  // by point, by sample

std::map<std::string, Beginnings> read_beginnings(const store::RunStore& store,
                                                  const Selection& selection) {
  std::map<std::string, Beginnings> cells;
  for (const auto& row : store.query(samples_sql(selection)).rows) {
    const auto text = [&](std::size_t i) { return std::string(row[i].as_string()); };
    auto& points = cells[text(0)];
    points.resize(kPoints);
    for (std::size_t point = 0; point < kPoints; ++point) {
      const auto& nll = row[4 + 2 * point];
      const auto& tokens = row[5 + 2 * point];
      if (!nll.is_double() || tokens.as_int64() == 0) continue;
      points[point].push_back({.id = text(1),
                               .hash = text(2),
                               .cluster = text(3),
                               .tokens = tokens.as_int64(),
                               .nll = nll.as_double()});
    }
  }
  return cells;
}

/// Panels that differ in positions only become one part. A cell that several panels share (the full
/// cache) stands in it once.
std::vector<Part> read_parts(const store::RunStore& store, const Selection& selection) {
  auto beginnings = read_beginnings(store, selection);
  std::vector<Part> parts;
  for (Panel& panel : read_panels(store, selection)) {
    if (std::ranges::find(kTasks, panel.settings.task) == kTasks.end()) continue;
    auto part = std::ranges::find_if(parts, [&](const Part& other) {
      Settings twin = other.panel.settings;
      twin.positions = panel.settings.positions;
      return twin == panel.settings;
    });
    if (part == parts.end()) part = parts.insert(parts.end(), Part{{panel.settings, {}}, {}});
    for (CellResult& cell : panel.cells) {
      const auto& known = part->panel.cells;
      if (std::ranges::find(known, cell.key, &CellResult::key) != known.end()) continue;
      Line line{cell, cell.budget ? panel.settings.positions : kDash, {}};
      for (auto& samples : beginnings[cell.key]) {
        line.beginnings.push_back(cell);
        line.beginnings.back().samples = std::move(samples);
      }
      part->panel.cells.push_back(std::move(cell));
      part->lines.push_back(std::move(line));
    }
  }
  return parts;
}

struct Claims {
  std::string paper, arxiv, model, place, policy, baseline, within_text, order_text;
  double within = 0;
};

Claims read_extrapolation_claims(const std::filesystem::path& path) {
  const json::value file = read_json_file(path, ErrorKind::kData);
  ObjectReader reader(file, path.filename().string(), ErrorKind::kData);
  expect_schema(reader, "lethe-extrapolation-claims-1");
  ObjectReader source(reader.at("source"), reader.where("source"), ErrorKind::kData);
  return {source.string("paper"),
          source.string("arxiv"),
          reader.string("model"),
          reader.string("place"),
          reader.string("policy"),
          reader.string("baseline"),
          reader.string("within_statement"),
          reader.string("order_statement"),
          reader.number("within_perplexity")};
}

Verdicts::Item item(Verdict verdict, const std::string& text, const std::string& detail) {
  return {std::string(to_string(verdict)), tone_of(verdict), text, detail};
}

/// Cells of the claims' two policies with equal budgets.
std::vector<std::pair<const Line*, const Line*>> compared(const Part& part, const Claims& claims) {
  std::vector<std::pair<const Line*, const Line*>> pairs;
  for (const Line& own : part.lines) {
    for (const Line& other : part.lines) {
      if (own.cell.policy == claims.policy && other.cell.policy == claims.baseline &&
          own.cell.budget == other.cell.budget && own.usable() && other.usable()) {
        pairs.emplace_back(&own, &other);
      }
    }
  }
  return pairs;
}

Verdicts::Item check_order(const Part& part, const Claims& claims, const Line& own,
                           const Line& other) {
  const std::string text = claims.order_text + " (" + own.positions + " against " +
                           other.positions + " positions, budget " + budget_text(own.cell.budget) +
                           ")";
  std::vector<std::string> above;
  std::optional<PairedDifference> last, worst;
  for (std::size_t i = 0; i < kPoints; ++i) {
    last = compare_cells(own.beginnings[i], other.beginnings[i], *own.cell.budget);
    if (!last) return item(Verdict::kNotComparable, text, "the cells share no sample");
    if (last->delta.mean <= 0) continue;
    above.push_back(
        with_thousands(tokens_at(part.panel.settings.length, static_cast<std::int64_t>(i) + 1)));
    if (!worst || last->delta.mean > worst->delta.mean) worst = last;
  }
  std::string detail = "at the end × " + fixed(last->ratio, 3) + ", p " +
                       p_text(last->test.p_two_sided) + ", on " + counted(last->delta.n, "sample") +
                       " of both";
  if (worst) {
    detail = "above it at " + join(above, ", ") + " tokens, by × " + fixed(worst->ratio, 3) +
             " at most, p " + p_text(worst->test.p_two_sided) + "; " + detail;
  }
  return item(verdict_of(!worst), text, detail);
}

/// The first claim for every kind of positions of the policy, the second against every kind of the
/// baseline: the paper's run compresses TOVA's and does not say what Window+4 had.
Verdicts check(const Part& part, const Claims& claims) {
  Verdicts verdicts;
  for (const Line& own : part.lines) {
    if (own.cell.policy != claims.policy || !own.usable()) continue;
    double rise = 0;
    for (std::int64_t point = 2; point <= kPoints; ++point) {
      rise = std::max(rise, own.perplexity(point) - own.perplexity(1));
    }
    verdicts.items.push_back(
        item(verdict_of(rise <= claims.within),
             claims.within_text + " (" + own.positions + " positions, budget " +
                 budget_text(own.cell.budget) + ")",
             "from " + perplexity_text(own.perplexity(1)) + ", at most " + signed_fixed(rise, 2)));
  }
  for (const auto& [own, other] : compared(part, claims)) {
    verdicts.items.push_back(check_order(part, claims, *own, *other));
  }
  if (verdicts.items.empty()) {
    verdicts.items.push_back(
        item(Verdict::kNotComparable, claims.within_text, "no whole cell of " + claims.policy));
  }
  return verdicts;
}

Table points_table(const Part& part) {
  Table table;
  table.caption = "Perplexity of all tokens up to a length";
  table.columns = {{"policy"}, {"budget", Align::kRight}, {"positions"}};
  table.header_columns = 3;
  for (std::int64_t point = 1; point <= kPoints; ++point) {
    table.columns.push_back(
        {with_thousands(tokens_at(part.panel.settings.length, point)), Align::kRight, "tokens"});
  }
  table.note(
      "exp of the sum of NLL over the number of predicted tokens, of all samples together; "
      "cumulative, as in the paper's figure. Below: 95 % intervals clustered by book, the "
      "differences between books included.");
  for (const Line& line : part.lines) {
    std::vector<TableCell> row = {
        {line.cell.policy}, {budget_text(line.cell.budget)}, {line.positions}};
    for (std::size_t i = 0; i < kPoints; ++i) {
      if (!line.usable()) {
        row.push_back(missing_cell(table, &line.cell));
        continue;
      }
      const auto estimate = estimate_perplexity(line.beginnings[i]);
      TableCell cell{.text = perplexity_text(estimate.perplexity),
                     .detail = perplexity_interval_text(estimate.nll_interval)};
      note_limits(table, cell, line.beginnings[i], estimate.nll);
      row.push_back(std::move(cell));
    }
    table.add_row(std::move(row));
  }
  return table;
}

/// At the whole length; the names of the rows say which positions.
std::vector<PairedDifference> differences(const Part& part, const Claims& claims) {
  std::vector<PairedDifference> rows;
  for (const auto& [own, other] : compared(part, claims)) {
    auto row = compare_cells(own->beginnings.back(), other->beginnings.back(), *own->cell.budget);
    if (!row) continue;
    row->a = own->name();
    row->b = other->name();
    rows.push_back(std::move(*row));
  }
  adjust_for_multiplicity(rows);
  return rows;
}

std::string differences_at_end_sql(const Selection& selection, const Claims& claims) {
  return "WITH whole AS (SELECT policy, positions, budget, model, length, dtype, cell.seed AS "
         "seed, sample.sample_id AS id,\n  sample.sample_hash AS hash, sample.nll_sum AS nll, "
         "sample.tokens_scored AS tokens" +
         from_sql(selection) +
         ")\nSELECT a.positions AS a_positions, b.positions AS b_positions, budget, model, length, "
         "dtype,\n       sum(a.nll - b.nll) / sum(a.tokens) AS delta_nll, count(*) AS samples\n"
         "FROM whole a JOIN whole b USING (budget, model, length, dtype, seed, id, hash)\n"
         "WHERE a.policy = " +
         sql_quote(claims.policy) + " AND b.policy = " + sql_quote(claims.baseline) +
         "\nGROUP BY a.positions, b.positions, budget, model, length, dtype, seed";
}

PlotFigure figure_of(const Part& part, const std::string& suffix) {
  PlotPanel panel{.title = part.panel.settings.model,
                  .x_label = "tokens",
                  .y_label = "perplexity of all tokens so far",
                  .series = {},
                  .level = {},
                  .linear_x = true};
  const bool several = part.panel.budgets().size() > 1;
  for (const Line& line : part.lines) {
    if (!line.usable()) continue;
    PlotSeries series{line.cell.policy, panel.series.size(), {}};
    if (line.cell.budget) {
      series.label += ", " + line.positions;
      if (several) series.label += ", " + with_thousands(*line.cell.budget);
    }
    for (std::int64_t point = 1; point <= kPoints; ++point) {
      series.points.push_back({static_cast<double>(tokens_at(part.panel.settings.length, point)),
                               line.perplexity(point),
                               {},
                               {}});
    }
    panel.series.push_back(std::move(series));
  }
  PlotFigure figure{"extrapolation" + suffix, "Perplexity against length", {}};
  if (!panel.series.empty()) figure.panels.push_back(std::move(panel));
  return figure;
}

Facts facts_of(const Part& part) {
  std::set<std::string> kinds;
  for (const Line& line : part.lines) {
    if (line.cell.budget) kinds.insert(line.positions);
  }
  Facts facts = panel_facts(part.panel);
  for (auto& [name, value] : facts.items) {
    if (name == "Positions") value = join(std::vector(kinds.begin(), kinds.end()), ", ");
  }
  return facts;
}

}  // namespace

ReportResult write_extrapolation_report(const store::RunStore& store, const ReportRequest& request,
                                        const Clock& clock) {
  const Selection selection{.suite = request.suite, .cell_keys = request.cell_keys};
  const Claims claims =
      read_extrapolation_claims(request.data_dir / "published" / "claims-tova-extrapolation.json");
  const auto parts = read_parts(store, selection);
  ReportFiles files(request);
  ReportResult result;
  Document document;
  auto& blocks = document.blocks;
  document.title = request.title.empty() ? "Perplexity against length" : request.title;
  document.subtitle = "What a bounded cache costs as a text grows.";
  if (parts.empty()) say_empty(document, result, store);
  std::vector<Panel> panels;
  for (const Part& part : parts) panels.push_back(part.panel);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const Part& part = parts[i];
    const std::string suffix = i == 0 ? "" : "-" + std::to_string(i + 1);
    const std::string name = parts.size() > 1 ? panel_name(panels[i], panels) : "";
    if (!name.empty()) {
      blocks.push_back(Heading{2, "Part " + std::to_string(i + 1) + ": " + name});
    }
    blocks.push_back(facts_of(part));
    blocks.push_back(Heading{2, "Do the paper's claims hold here?"});
    blocks.push_back(Paragraph{claims.paper + " (arXiv " + claims.arxiv + ", " + claims.place +
                               ") measured " + claims.model +
                               " to 70,000 tokens; its curve is not printed in numbers."});
    Verdicts verdicts = check(part, claims);
    for (const auto& found : verdicts.items) {
      result.summary.push_back((name.empty() ? "" : name + ": ") + found.verdict + ": " +
                               found.text + " (" + found.detail + ")");
    }
    blocks.push_back(std::move(verdicts));
    if (const PlotFigure figure = figure_of(part, suffix); !figure.panels.empty()) {
      files.draw_figures({figure});
      std::string caption = "Perplexity of all tokens up to a length.";
      if (strip_threshold(figure.panels.front())) {
        caption += " The upper strip has its own logarithmic axis; lines stop at the break.";
      }
      blocks.push_back(
          files.picture(figure, figure.title, describe_figure(figure), std::move(caption)));
    }
    Table table = points_table(part);
    if (files.wants("csv")) files.save("extrapolation" + suffix + ".csv", to_csv(table));
    table.sql = points_sql(selection);
    blocks.push_back(TableBlock{"extrapolation" + suffix, std::move(table)});
    if (const auto rows = differences(part, claims); !rows.empty()) {
      Table paired = differences_table(rows, {}, "Paired differences at the whole length");
      if (files.wants("csv")) files.save("differences" + suffix + ".csv", to_csv(paired));
      paired.sql = differences_at_end_sql(selection, claims);
      blocks.push_back(TableBlock{"differences" + suffix, std::move(paired)});
    }
  }
  return files.finish(std::move(document), std::move(result), store, selection, clock);
}

}  // namespace lethe::reports
