// SPDX-License-Identifier: Apache-2.0
#include "reports/extrapolation_report.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "harness/base/json.h"
#include "harness/base/text.h"
#include "reports/claims.h"
#include "reports/numbers.h"
#include "reports/report_files.h"

namespace lethe::reports {
namespace {

constexpr std::int64_t kPoints = 7;  // 10K to 70K in the paper

struct Line {
  std::string policy, positions, model, dtype;
  std::optional<std::int64_t> budget;
  std::int64_t length = 0;
  std::vector<double> perplexity;  ///< of the first i + 1 sevenths

  std::string label() const {
    return policy + (budget ? " " + with_thousands(*budget) : "") + ", " + positions;
  }
};

/// Perplexities of the first `part` of kPoints parts of every cell.
std::string point_sql(const Selection& selection, std::int64_t part) {
  const std::string end =
      "(length * " + std::to_string(part) + " / " + std::to_string(kPoints) + " - 1)";
  return "SELECT cell.key, cell.policy, cell.positions, cell.model, cell.dtype, cell.budget, "
         "cell.length,\n       exp(sum(nll_sum(sample.nll_trace, 0, " +
         end + ")) / sum(nll_count(sample.nll_trace, 0, " + end +
         "))) AS ppl\nFROM sample JOIN cell ON cell.id = sample.cell_id\nWHERE sample.nll_trace IS "
         "NOT NULL AND cell.key IN (SELECT cell_key FROM (" +
         cell_keys_sql(selection) +
         "))\nGROUP BY cell.key ORDER BY cell.model, cell.length, cell.policy, cell.budget, "
         "cell.positions";
}

std::vector<Line> read_lines(const store::RunStore& store, const Selection& selection) {
  std::vector<Line> lines;
  std::map<std::string, std::size_t> places;
  for (std::int64_t part = 1; part <= kPoints; ++part) {
    for (const auto& row : store.query(point_sql(selection, part)).rows) {
      const auto text = [&](std::size_t i) { return std::string(row[i].as_string()); };
      const auto [place, added] = places.try_emplace(text(0), lines.size());
      if (added) {
        Line line{text(1), text(2), text(3), text(4), std::nullopt, row[6].as_int64(), {}};
        if (row[5].is_int64()) line.budget = row[5].as_int64();
        lines.push_back(std::move(line));
      }
      if (row[7].is_double()) lines[place->second].perplexity.push_back(row[7].as_double());
    }
  }
  std::erase_if(lines, [](const Line& line) {
    return static_cast<std::int64_t>(line.perplexity.size()) != kPoints;
  });
  return lines;
}

struct Claims {
  std::string paper, arxiv, model, place, policy, baseline, within_text, order_text;
  double within = 0;
};

Claims read_extrapolation_claims(const std::filesystem::path& path) {
  const json::value file = read_json_file(path, ErrorKind::kData);
  ObjectReader reader(file, path.filename().string(), ErrorKind::kData);
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

/// One item per kind of positions: the paper's 70K run compresses them.
Verdicts check(const std::vector<Line>& lines, const Claims& claims) {
  Verdicts verdicts;
  for (const Line& own : lines) {
    if (own.policy != claims.policy) continue;
    double rise = 0;
    for (const double value : own.perplexity) rise = std::max(rise, value - own.perplexity.front());
    verdicts.items.push_back(item(
        verdict_of(rise <= claims.within),
        claims.within_text + " (" + own.positions + " positions)",
        "from " + perplexity_text(own.perplexity.front()) + ", at most " + signed_fixed(rise, 2)));
    for (const Line& other : lines) {
      if (other.policy != claims.baseline || other.budget != own.budget ||
          other.length != own.length || other.model != own.model) {
        continue;
      }
      bool below = true;
      for (std::size_t i = 0; i < own.perplexity.size(); ++i) {
        below = below && own.perplexity[i] <= other.perplexity[i];
      }
      verdicts.items.push_back(item(
          verdict_of(below),
          claims.order_text + " (" + own.positions + " against " + other.positions + " positions)",
          perplexity_text(own.perplexity.back()) + " and " +
              perplexity_text(other.perplexity.back()) + " at the end"));
    }
  }
  if (verdicts.items.empty()) {
    verdicts.items.push_back(
        item(Verdict::kNotComparable, claims.within_text, "no whole cell of " + claims.policy));
  }
  return verdicts;
}

Table points_table(const std::vector<Line>& lines) {
  Table table;
  table.caption = "Perplexity of all tokens up to a length";
  table.columns = {{"policy"}, {"budget", Align::kRight}, {"positions"}};
  table.header_columns = 3;
  for (std::int64_t part = 1; part <= kPoints; ++part) {
    table.columns.push_back(
        {with_thousands(lines.front().length * part / kPoints), Align::kRight, "tokens"});
  }
  for (const Line& line : lines) {
    if (line.length != lines.front().length) continue;
    std::vector<std::string> row = {line.policy, line.budget ? with_thousands(*line.budget) : "—",
                                    line.positions};
    for (const double value : line.perplexity) row.push_back(perplexity_text(value));
    table.add_row(std::move(row));
  }
  table.note(
      "exp of the sum of NLL over the number of predicted tokens, of all samples together; "
      "cumulative, as in the paper's figure.");
  return table;
}

}  // namespace

ReportResult write_extrapolation_report(const store::RunStore& store, const ReportRequest& request,
                                        const Clock& clock) {
  const Selection selection{.suite = request.suite, .cell_keys = request.cell_keys};
  const Claims claims =
      read_extrapolation_claims(request.data_dir / "published" / "claims-tova-extrapolation.json");
  const auto lines = read_lines(store, selection);
  ReportFiles files(request);
  ReportResult result;
  Document document;
  document.title = request.title.empty() ? "Perplexity against length" : request.title;
  document.subtitle = "What a bounded cache costs as a text grows.";
  if (lines.empty()) {
    say_empty(document, result, store);
  } else {
    document.blocks.push_back(Facts{{{"Model", lines.front().model},
                                     {"Length", with_thousands(lines.front().length) + " tokens"},
                                     {"Number format", lines.front().dtype}}});
    document.blocks.push_back(Heading{2, "Do the paper's claims hold here?"});
    document.blocks.push_back(Paragraph{claims.paper + " (arXiv " + claims.arxiv + ", " +
                                        claims.place + ") measured " + claims.model +
                                        " to 70,000 tokens; its curve is not printed in numbers."});
    Verdicts verdicts = check(lines, claims);
    for (const auto& found : verdicts.items) {
      result.summary.push_back(found.verdict + ": " + found.text + " (" + found.detail + ")");
    }
    document.blocks.push_back(std::move(verdicts));
    PlotPanel panel{.title = lines.front().model,
                    .x_label = "tokens",
                    .y_label = "perplexity of all tokens so far",
                    .series = {},
                    .level = {},
                    .linear_x = true};
    for (const Line& line : lines) {
      if (line.length != lines.front().length) continue;
      PlotSeries series{line.label(), panel.series.size(), {}};
      for (std::int64_t part = 1; part <= kPoints; ++part) {
        series.points.push_back({static_cast<double>(line.length * part / kPoints),
                                 line.perplexity[static_cast<std::size_t>(part - 1)],
                                 {},
                                 {}});
      }
      panel.series.push_back(std::move(series));
    }
    const PlotFigure figure{"extrapolation", "Perplexity against length", {std::move(panel)}};
    files.draw_figures({figure});
    document.blocks.push_back(files.picture(figure, figure.title, figure.title,
                                            "Perplexity of all tokens up to a length."));
    Table table = points_table(lines);
    if (files.wants("csv")) files.save("extrapolation.csv", to_csv(table));
    table.sql = point_sql(selection, kPoints);
    document.blocks.push_back(TableBlock{"extrapolation", std::move(table)});
  }
  return files.finish(std::move(document), std::move(result), store, selection, clock);
}

}  // namespace lethe::reports
