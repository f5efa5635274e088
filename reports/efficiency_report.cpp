// SPDX-License-Identifier: Apache-2.0
#include "reports/efficiency_report.h"

#include <algorithm>
#include <map>
#include <optional>

#include "harness/base/text.h"
#include "reports/numbers.h"
#include "reports/published.h"
#include "reports/report_files.h"

namespace lethe::reports {
namespace {

/// One cell: samples of its full batches.
struct Row {
  std::string policy, model, dtype, schedule;
  std::optional<std::int64_t> budget;
  std::int64_t length = 0;
  std::int64_t lanes = 0;
  std::int64_t peak_bytes = 0;  ///< of one sample
  double rate = 0;              ///< tokens per second of all lanes together
  std::int64_t memory = 0;      ///< bytes that the batch was made for

  /// More samples would have fitted than there were.
  bool short_of_samples() const { return memory / std::max<std::int64_t>(1, peak_bytes) > lanes; }
};

std::string cells_sql(const Selection& selection) {
  return "WITH lane AS (\n  SELECT samples.*, json_extract(output, '$.lanes') AS lanes FROM "
         "samples\n"
         "  WHERE decode_tokens_per_s > 0 AND json_valid(output) AND cell_key IN (" +
         cell_keys_sql(selection) +
         ")),\nmost AS (SELECT cell_key, max(lanes) AS lanes FROM lane GROUP BY cell_key)\n"
         "SELECT lane.policy, lane.budget, lane.model, lane.dtype, lane.schedule, lane.length, "
         "lanes,\n       max(peak_bytes) AS sample_bytes, lanes * avg(decode_tokens_per_s) AS "
         "tokens_per_s,\n       count(*) AS samples,\n       json_extract(cells.inputs, "
         "'$.task.identity.memory_mib') AS memory_mib\nFROM lane JOIN most USING (cell_key, lanes) "
         "JOIN cells USING (cell_key)\nWHERE lanes IS NOT NULL GROUP BY cell_key\nORDER BY "
         "lane.model, lane.dtype, lane.schedule, lane.length, lane.budget IS NOT NULL, "
         "lane.policy, lane.budget";
}

std::vector<Row> read_rows(const store::RunStore& store, const Selection& selection) {
  std::vector<Row> rows;
  for (const auto& found : store.query(cells_sql(selection)).rows) {
    const auto text = [&](std::size_t i) { return std::string(found[i].as_string()); };
    Row row{text(0),
            text(2),
            text(3),
            text(4),
            std::nullopt,
            found[5].as_int64(),
            found[6].as_int64(),
            found[7].as_int64(),
            found[8].to_number<double>(),
            found[10].as_int64() << 20};
    if (found[1].is_int64()) row.budget = found[1].as_int64();
    rows.push_back(std::move(row));
  }
  return rows;
}

/// The paper's figure of one metric at the same share of the length.
std::string published(const PublishedTable& table, const Row& row, const std::string& metric) {
  const auto length = table.length();
  if (!length) return "—";
  const double share =
      row.budget ? static_cast<double>(*row.budget) / static_cast<double>(row.length) : 1.0;
  for (const PublishedValue& value : table.values) {
    if (!value.budget || value.metric != metric) continue;
    const double at = static_cast<double>(*value.budget) / static_cast<double>(*length);
    if (at == share)
      return value.value == static_cast<double>(static_cast<std::int64_t>(value.value))
                 ? with_thousands(static_cast<std::int64_t>(value.value))
                 : fixed(value.value, 2);
  }
  return "—";
}

const Row* full_of(const std::vector<Row>& rows, const Row& row) {
  for (const Row& other : rows) {
    if (!other.budget && other.model == row.model && other.dtype == row.dtype &&
        other.length == row.length) {
      return &other;
    }
  }
  return nullptr;
}

Table efficiency_table(const std::vector<Row>& rows, const PublishedTable& paper) {
  Table table;
  table.caption = "Largest batch in the given memory, and its throughput";
  table.columns = {{"policy"},
                   {"budget", Align::kRight},
                   {"cache of a sample", Align::kRight, "memory"},
                   {"of full", Align::kRight, "memory"},
                   {"here", Align::kRight, "largest batch"},
                   {paper.model, Align::kRight, "largest batch"},
                   {"tokens/s", Align::kRight, "throughput at that batch"},
                   {"× full", Align::kRight, "throughput at that batch"},
                   {paper.model + ", × full", Align::kRight, "throughput at that batch"}};
  table.header_columns = 2;
  for (const Row& row : rows) {
    const Row* full = full_of(rows, row);
    const double bytes = static_cast<double>(row.peak_bytes);
    TableCell lanes{with_thousands(row.lanes)};
    if (row.short_of_samples()) {
      lanes.notes.push_back(
          table.note("More samples would fit than the task has: its windows are the limit, not the "
                     "memory."));
    }
    table.add_row(std::vector<TableCell>{
        {row.policy},
        {row.budget ? with_thousands(*row.budget) : "—"},
        {human_bytes(bytes)},
        {full ? fixed(bytes / static_cast<double>(full->peak_bytes), 3) : "—"},
        std::move(lanes),
        {published(paper, row, "max_batch")},
        {fixed(row.rate, 0)},
        {full ? fixed(row.rate / full->rate, 2) : "—"},
        {published(paper, row, "relative_throughput")}});
  }
  table.note(
      "Tokens per second of all samples of a full batch together, prompts not counted: "
      "lanes × the mean rate of a sample among its lanes.");
  table.note("The paper's figures (" + paper.place +
             ") at the same share of the length: another model, device and length, shown for the "
             "shape.");
  return table;
}

}  // namespace

ReportResult write_efficiency_report(const store::RunStore& store, const ReportRequest& request,
                                     const Clock& clock) {
  const Selection selection{.suite = request.suite, .cell_keys = request.cell_keys};
  const PublishedTable paper =
      read_published(request.data_dir / "published" / "tova-table1-efficiency.json");
  const auto rows = read_rows(store, selection);
  ReportFiles files(request);
  ReportResult result;
  Document document;
  document.title = request.title.empty() ? "Efficiency by budget" : request.title;
  document.subtitle = "How many samples decode together in one memory, and how fast.";
  if (rows.empty()) {
    say_empty(document, result, store);
  } else {
    document.blocks.push_back(Facts{{{"Model", rows.front().model},
                                     {"Length", with_thousands(rows.front().length) + " tokens"},
                                     {"Schedule", rows.front().schedule},
                                     {"Number format", rows.front().dtype}}});
    PlotPanel panel{.title = rows.front().model,
                    .x_label = "tokens kept per layer",
                    .y_label = "tokens/s, all samples",
                    .series = {},
                    .level = {}};
    std::map<std::string, PlotSeries> series;
    for (const Row& row : rows) {
      if (row.budget) {
        PlotSeries& line = series[row.policy];
        line.label = row.policy;
        line.points.push_back({static_cast<double>(*row.budget), row.rate, {}, {}});
      } else {
        panel.level = PlotLevel{"full cache", row.rate, {}, {}};
      }
      const Row* full = full_of(rows, row);
      result.summary.push_back(
          row.policy + (row.budget ? " at " + with_thousands(*row.budget) : "") + ": " +
          with_thousands(row.lanes) + " samples at once, " + fixed(row.rate, 0) + " tokens/s" +
          (full && row.budget ? ", " + fixed(row.rate / full->rate, 2) + " times the full cache"
                              : ""));
    }
    for (auto& [policy, line] : series) {
      line.style = panel.series.size();
      panel.series.push_back(std::move(line));
    }
    const PlotFigure figure{"efficiency", "Throughput at the largest batch", {std::move(panel)}};
    files.draw_figures({figure});
    document.blocks.push_back(files.picture(figure, figure.title, figure.title,
                                            "Tokens per second of the largest batch that fits."));
    Table table = efficiency_table(rows, paper);
    if (files.wants("csv")) files.save("efficiency.csv", to_csv(table));
    table.sql = cells_sql(selection);
    document.blocks.push_back(TableBlock{"efficiency", std::move(table)});
  }
  return files.finish(std::move(document), std::move(result), store, selection, clock);
}

}  // namespace lethe::reports
