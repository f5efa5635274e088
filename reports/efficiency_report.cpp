// SPDX-License-Identifier: Apache-2.0
#include "reports/efficiency_report.h"

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>
#include <vector>

#include "harness/base/text.h"
#include "reports/numbers.h"
#include "reports/panel_text.h"
#include "reports/perplexity_tables.h"
#include "reports/published.h"
#include "reports/report_files.h"

namespace lethe::reports {
namespace {

constexpr const char* kTask = "efficiency";

/// The full batches of one cell.
struct Batches {
  std::int64_t lanes = 0;
  std::int64_t samples = 0;     ///< in all of them
  std::int64_t peak_bytes = 0;  ///< of one sample
  double rate = 0;              ///< tokens per second of all lanes together
  double slowest = 0;           ///< the same of single batches
  double fastest = 0;
  std::int64_t memory_mib = 0;  ///< that the batch was made for
  std::int64_t decoded = 0;     ///< tokens at the end of a window

  /// More samples would have fitted than there were.
  bool short_of_samples() const {
    return (memory_mib << 20) / std::max<std::int64_t>(1, peak_bytes) > lanes;
  }
};

std::string cells_sql(const Selection& selection) {
  return "WITH lane AS (\n  SELECT samples.*, json_extract(output, '$.lanes') AS lanes FROM "
         "samples\n  WHERE task = '" +
         std::string(kTask) + "' AND decode_tokens_per_s > 0 AND json_valid(output) AND\n" +
         "        cell_key IN (" + cell_keys_sql(selection) +
         ")),\nmost AS (SELECT cell_key, max(lanes) AS lanes FROM lane GROUP BY cell_key)\n"
         "SELECT lane.policy, lane.budget, lane.model, lane.dtype, lane.schedule, lane.length, "
         "lanes,\n       max(peak_bytes) AS sample_bytes,\n       lanes * count(*) / sum(1 / "
         "decode_tokens_per_s) AS tokens_per_s,\n       lanes * min(decode_tokens_per_s) AS "
         "slowest, lanes * max(decode_tokens_per_s) AS fastest,\n       count(*) AS samples,\n"
         "       json_extract(cells.inputs, '$.task.identity.memory_mib') AS memory_mib,\n"
         "       json_extract(cells.inputs, '$.task.identity.new') AS decoded, cell_key\n"
         "FROM lane JOIN most USING (cell_key, lanes) JOIN cells USING (cell_key)\nWHERE lanes IS "
         "NOT NULL GROUP BY cell_key\nORDER BY lane.model, lane.dtype, lane.schedule, lane.length, "
         "lane.budget IS NOT NULL, lane.policy, lane.budget";
}

std::map<std::string, Batches> read_batches(const store::RunStore& store,
                                            const Selection& selection) {
  std::map<std::string, Batches> cells;
  for (const auto& row : store.query(cells_sql(selection)).rows) {
    cells[std::string(row[14].as_string())] = {.lanes = row[6].as_int64(),
                                               .samples = row[11].as_int64(),
                                               .peak_bytes = row[7].as_int64(),
                                               .rate = row[8].to_number<double>(),
                                               .slowest = row[9].to_number<double>(),
                                               .fastest = row[10].to_number<double>(),
                                               .memory_mib = row[12].as_int64(),
                                               .decoded = row[13].as_int64()};
  }
  return cells;
}

/// The cells of one setting, the full cache first, and what was measured of each.
class Section {
 public:
  Section(const Panel& panel, const std::map<std::string, Batches>& measured,
          const PublishedTable& paper, std::string suffix)
      : panel_(panel), measured_(measured), paper_(paper), suffix_(std::move(suffix)) {
    for (const CellResult& cell : panel.cells) cells_.push_back(&cell);
    std::stable_sort(cells_.begin(), cells_.end(), [](const CellResult* a, const CellResult* b) {
      return std::tie(a->budget ? a->policy : kNothing, a->budget) <
             std::tie(b->budget ? b->policy : kNothing, b->budget);
    });
    full_ = batches_of(panel.full());
  }

  const Panel& panel() const { return panel_; }
  const std::string& suffix() const { return suffix_; }

  Facts facts() const {
    const Settings& s = panel_.settings;
    std::int64_t wanted = 0;
    std::size_t complete = 0;
    const Batches* any = nullptr;
    for (const CellResult* cell : cells_) {
      wanted = std::max(wanted, cell->wanted);
      complete += cell->status == store::CellStatus::kDone;
      if (const Batches* found = batches_of(cell)) any = found;
    }
    Facts facts{{{"Model", s.model}, {"Length", with_thousands(s.length) + " tokens"}}};
    if (any) {
      facts.items.push_back({"Decoded of it", "the last " + with_thousands(any->decoded)});
      facts.items.push_back(
          {"Memory for keys and values", with_thousands(any->memory_mib) + " MiB"});
    }
    facts.items.insert(
        facts.items.end(),
        {{"Samples per cell", with_thousands(wanted)},
         {"Cells complete", std::to_string(complete) + " of " + std::to_string(cells_.size())},
         {"Schedule", s.schedule},
         {"Positions", s.positions},
         {"Number format", s.dtype + (s.kv_dtype == "same" ? "" : ", KV " + s.kv_dtype)},
         {"Seed", std::to_string(s.seed)}});
    return facts;
  }

  PlotFigure figure() const {
    PlotPanel panel{.title = panel_.settings.model,
                    .x_label = "tokens kept per layer",
                    .y_label = "tokens/s, all samples",
                    .series = {},
                    .level = {},
                    .from_zero = true};
    if (full_) {
      panel.level = PlotLevel{"full cache", full_->rate, full_->slowest, full_->fastest};
    }
    for (const CellResult* cell : cells_) {
      const Batches* found = batches_of(cell);
      if (!cell->budget || !found) continue;
      auto& series = panel.series;
      if (series.empty() || series.back().label != cell->policy) {
        series.push_back({cell->policy, series.size(), {}});
      }
      series.back().points.push_back(
          {static_cast<double>(*cell->budget), found->rate, found->slowest, found->fastest});
    }
    PlotFigure figure{"efficiency" + suffix_, "Throughput at the largest batch", {}};
    if (!panel.series.empty()) figure.panels.push_back(std::move(panel));
    return figure;
  }

  Table table() const {
    Table table;
    const std::string cache = "cache of a sample", batch = "largest batch",
                      rate = "throughput at that batch";
    table.caption = "Largest batch in the given memory, and its throughput";
    table.columns = {{"policy"},
                     {"budget", Align::kRight},
                     {"here", Align::kRight, cache},
                     {"of full", Align::kRight, cache},
                     {"paper, of full", Align::kRight, cache},
                     {"here", Align::kRight, batch},
                     {"× full", Align::kRight, batch},
                     {"paper, × full", Align::kRight, batch},
                     {"tokens/s", Align::kRight, rate},
                     {"× full", Align::kRight, rate},
                     {"paper, × full", Align::kRight, rate},
                     {"batches", Align::kRight}};
    table.header_columns = 2;
    table.note(
        "Tokens per second of all samples of a full batch together: their tokens by the time of "
        "the "
        "steps that decoded them, prompts not counted. Below: the slowest and the fastest batch.");
    table.note("Only the end of a window is decoded, where the full cache is at its longest.");
    table.note("Paper: " + paper_.place + " of arXiv " + paper_.arxiv + ", " + paper_.model +
               " on one V100, whole sequences of " + with_thousands(paper_.length().value_or(0)) +
               " tokens, at the same share of the length: another model, device and length, shown "
               "for the shape.");
    for (const CellResult* cell : cells_) table.add_row(row_of(table, *cell));
    return table;
  }

  std::vector<std::string> summary() const {
    std::vector<std::string> lines;
    for (const CellResult* cell : cells_) {
      const std::string name =
          cell->policy + (cell->budget ? " at " + with_thousands(*cell->budget) : "") + ": ";
      const Batches* found = batches_of(cell);
      lines.push_back(
          name + (found ? with_thousands(found->lanes) + " samples at once, " +
                              fixed(found->rate, 0) + " tokens/s" +
                              (full_ && cell->budget ? ", " + fixed(found->rate / full_->rate, 2) +
                                                           " times the full cache"
                                                     : "")
                        : describe_missing(cell)));
    }
    return lines;
  }

 private:
  inline static const std::string kNothing;

  const Batches* batches_of(const CellResult* cell) const {
    const auto found = cell ? measured_.find(cell->key) : measured_.end();
    return found == measured_.end() ? nullptr : &found->second;
  }

  /// The paper's figure at the cell's share of the length, over that of the full cache.
  std::string published(const CellResult& cell, const std::string& metric, int digits) const {
    const auto length = paper_.length();
    const bool tova = cell.policy == "tova";
    if (!length || (!tova && cell.policy != kFullPolicy)) return kDash;
    const double share = cell.budget ? static_cast<double>(*cell.budget) /
                                           static_cast<double>(panel_.settings.length)
                                     : 1.0;
    std::optional<double> own, full;
    for (const PublishedValue& value : paper_.values) {
      if (!value.budget || value.metric != metric) continue;
      if (value.policy == kFullPolicy) full = value.value;
      const double at = static_cast<double>(*value.budget) / static_cast<double>(*length);
      if (at == share) own = value.value;
    }
    return own && full ? fixed(*own / *full, digits) : kDash;
  }

  std::vector<TableCell> row_of(Table& table, const CellResult& cell) const {
    std::vector<TableCell> row = {{cell.policy}, {budget_text(cell.budget)}};
    const Batches* found = batches_of(&cell);
    if (!found) {
      row.push_back(missing_cell(table, &cell));
      row.resize(table.columns.size(), TableCell{.text = kDash, .tone = Tone::kMuted});
      return row;
    }
    const auto of_full = [&](double own, double full, int digits) {
      return TableCell{full_ ? fixed(own / full, digits) : kDash};
    };
    const double bytes = static_cast<double>(found->peak_bytes);
    const double lanes = static_cast<double>(found->lanes);
    const Batches& full = full_ ? *full_ : *found;
    row.push_back({human_bytes(bytes)});
    row.push_back(of_full(bytes, static_cast<double>(full.peak_bytes), 3));
    row.push_back({published(cell, "kv_memory_batch1", 3)});
    TableCell batch{with_thousands(found->lanes)};
    if (found->short_of_samples()) {
      batch.notes.push_back(
          table.note("More samples would fit than the task has: its windows are the limit, not the "
                     "memory."));
    }
    row.push_back(std::move(batch));
    row.push_back(of_full(lanes, static_cast<double>(full.lanes), 2));
    row.push_back({published(cell, "max_batch", 2)});
    TableCell rate{fixed(found->rate, 0)};
    if (found->samples > found->lanes) {
      rate.detail = fixed(found->slowest, 0) + " to " + fixed(found->fastest, 0);
    }
    if (cell.stored < cell.wanted) {
      rate.notes.push_back(table.note(std::to_string(cell.stored) + " of " +
                                      std::to_string(cell.wanted) + " samples so far (" +
                                      store::to_string(cell.status) + ")"));
    }
    row.push_back(std::move(rate));
    row.push_back(of_full(found->rate, full.rate, 2));
    row.push_back({published(cell, "relative_throughput", 2)});
    row.push_back({fixed(static_cast<double>(found->samples) / lanes, 0)});
    return row;
  }

  const Panel& panel_;
  const std::map<std::string, Batches>& measured_;
  const PublishedTable& paper_;
  std::string suffix_;
  std::vector<const CellResult*> cells_;
  const Batches* full_ = nullptr;
};

}  // namespace

ReportResult write_efficiency_report(const store::RunStore& store, const ReportRequest& request,
                                     const Clock& clock) {
  const Selection selection{.suite = request.suite, .cell_keys = request.cell_keys};
  const PublishedTable paper =
      read_published(request.data_dir / "published" / "tova-table1-efficiency.json");
  auto panels = read_panels(store, selection);
  std::erase_if(panels, [](const Panel& panel) { return panel.settings.task != kTask; });
  const auto measured = read_batches(store, selection);
  ReportFiles files(request);
  ReportResult result;
  Document document;
  document.title = request.title.empty() ? "Efficiency by budget" : request.title;
  document.subtitle = "How many samples decode together in one memory, and how fast.";
  if (panels.empty()) say_empty(document, result, store);
  for (std::size_t i = 0; i < panels.size(); ++i) {
    const Section section(panels[i], measured, paper, i == 0 ? "" : "-" + std::to_string(i + 1));
    const std::string name = panel_name(panels[i], panels);
    if (panels.size() > 1) {
      document.blocks.push_back(Heading{2, "Part " + std::to_string(i + 1) + ": " + name});
    }
    document.blocks.push_back(section.facts());
    if (const PlotFigure figure = section.figure(); !figure.panels.empty()) {
      files.draw_figures({figure});
      document.blocks.push_back(
          files.picture(figure, figure.title, describe_figure(figure),
                        "Tokens per second of the largest batch that fits, from "
                        "the slowest batch to the fastest; dashed: with the "
                        "full cache."));
    }
    Table table = section.table();
    if (files.wants("csv")) files.save("efficiency" + section.suffix() + ".csv", to_csv(table));
    table.sql = cells_sql(selection);
    document.blocks.push_back(TableBlock{"efficiency" + section.suffix(), std::move(table)});
    for (const std::string& line : section.summary()) {
      result.summary.push_back((panels.size() > 1 ? name + ": " : "") + line);
    }
  }
  return files.finish(std::move(document), std::move(result), store, selection, clock);
}

}  // namespace lethe::reports
