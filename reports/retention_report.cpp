// SPDX-License-Identifier: Apache-2.0
#include "reports/retention_report.h"

#include <algorithm>
#include <cmath>

#include "harness/base/names.h"
#include "harness/base/text.h"
#include "reports/claims.h"
#include "reports/numbers.h"
#include "reports/panel_text.h"
#include "reports/perplexity_tables.h"
#include "reports/published.h"
#include "reports/report_files.h"
#include "reports/retention_claims.h"
#include "reports/retention_data.h"

namespace lethe::reports {
namespace {

constexpr std::int64_t kFewTokens = 20;

/// A table with its name in the page and that of its file.
struct NamedTable {
  std::string id;
  std::string file;
  Table table;
};

/// A panel of cells, and what their samples say.
class Section {
 public:
  Section(const Panel& panel, const RetentionOutputs& outputs, const RetentionClaims& claims,
          const PublishedTable& published, const Selection& selection, std::string suffix)
      : panel_(panel),
        outputs_(outputs),
        claims_(claims),
        published_(published),
        suffix_(std::move(suffix)),
        budgets_(panel.budgets()),
        findings_(check_retention(panel, outputs, claims)),
        figures_(draw_means()),
        tables_(make_tables(selection)) {}

  const Panel& panel() const { return panel_; }
  const std::vector<RetentionFinding>& findings() const { return findings_; }
  const std::vector<PlotFigure>& figures() const { return figures_; }
  const std::vector<NamedTable>& tables() const { return tables_; }

 private:
  const std::vector<RetentionSample>& samples(const std::string& policy,
                                              std::int64_t budget) const {
    return samples_of(panel_, outputs_, policy, budget);
  }

  std::vector<NamedTable> make_tables(const Selection& selection) const {
    std::vector<NamedTable> tables;
    const auto add = [&](const std::string& id, const std::string& file, Table table,
                         std::string sql) {
      if (table.rows.empty()) return;
      table.sql = std::move(sql);
      tables.push_back({id + suffix_, file + suffix_ + ".csv", std::move(table)});
    };
    const Settings& settings = panel_.settings;
    add("recency", "recency", recency_table(), recency_sql(selection, settings));
    add("first", "first-positions", first_table(), first_positions_sql(selection, settings));
    add("tags", "tags", tags_table(), tag_lifetimes_sql(selection, settings));
    if (const auto rows = compare_sinks(panel_, claims_); !rows.empty()) {
      std::vector<std::pair<std::string, std::string>> pairs;
      for (const std::string& policy : claims_.sink_policies) {
        pairs.emplace_back(policy, claims_.policy);
      }
      add("sinks", "sinks", differences_table(rows, {}, "Explicit sinks: what they change"),
          differences_sql(selection, settings, pairs));
    }
    return tables;
  }

  TableCell share_cell(Table& table, const std::string& policy, std::int64_t budget) const {
    const CellResult* cell = panel_.find(policy, budget);
    const auto& found = samples(policy, budget);
    if (found.empty()) return missing_cell(table, cell);
    const auto share = recency_of(found);
    if (!share) {
      return {.text = kDash, .notes = {table.note("No token left.")}, .tone = Tone::kMuted};
    }
    TableCell out{percent(share->mean), percent_interval(*share)};
    note_limits(table, out, *cell, *share);
    return out;
  }

  Table recency_table() const {
    Table table;
    table.caption = "Share of the kept tokens that are among the newest";
    table.columns = {{"policy"}};
    table.note(
        "After a step, the kept tokens that are among the k newest, of all kept (k: the budget of "
        "the layer); mean over the steps from the first eviction on, layers and samples, with 95 % "
        "intervals clustered by book.");
    for (const auto budget : budgets_) {
      table.columns.push_back({with_thousands(budget), Align::kRight, "budget"});
    }
    for (const std::string& policy : policies()) {
      std::vector<TableCell> row = {{policy}};
      for (const auto budget : budgets_) row.push_back(share_cell(table, policy, budget));
      table.add_row(std::move(row));
    }
    return table;
  }

  /// A column for every budget, with a footnote where samples are missing.
  void add_budget_columns(Table& table) const {
    for (const auto budget : budgets_) {
      table.columns.push_back({with_thousands(budget), Align::kRight, "budget"});
      const CellResult* cell = panel_.find(claims_.policy, budget);
      if (!samples(claims_.policy, budget).empty() && !cell->partial()) continue;
      table.note("Budget " + with_thousands(budget) + ": " +
                 (cell && cell->usable() ? std::to_string(cell->samples.size()) + " of " +
                                               std::to_string(cell->wanted) + " samples so far"
                                         : describe_missing(cell)) +
                 ".");
    }
  }

  Table first_table() const {
    Table table;
    table.caption = "Mean steps that the first tokens stay, " + claims_.policy;
    table.columns = {{"position", Align::kRight}};
    table.note("Of " + with_thousands(panel_.settings.length) +
               " steps, the token's own included; mean over layers and samples.");
    add_budget_columns(table);
    std::vector<std::vector<std::optional<double>>> means;
    std::size_t rows = 0;
    for (const auto budget : budgets_) {
      means.push_back(mean_of(samples(claims_.policy, budget), &RetentionSample::first));
      rows = std::max(rows, means.back().size());
    }
    for (std::size_t position = 0; position < rows; ++position) {
      std::vector<std::string> row = {std::to_string(position)};
      for (const auto& column : means) {
        const bool known = position < column.size() && column[position];
        row.push_back(known ? fixed(*column[position], 0) : kDash);
      }
      table.add_row(std::move(row));
    }
    return table;
  }

  Table tags_table() const {
    Table table;
    const auto claimed = claimed_budget(panel_, claims_);
    const auto at = claimed ? claimed : middle_budget();
    if (!at) return table;
    const std::string ratio = "at budget " + with_thousands(*at) + ", of the mean";
    table.caption = "Mean steps that a token stays, by part of speech, " + claims_.policy;
    table.columns = {{"tag"}, {"tokens", Align::kRight}};
    table.note("\"Of the mean\": lifetime of the tag over that of all tagged tokens. " +
               (claimed
                    ? "The paper's at the same share of its length, over its row \"Avg.\" (arXiv " +
                          published_.arxiv + ", " + published_.place +
                          "): another model, tokenizer and tagger, for the order, not the numbers."
                    : "The paper's is left out: no cell has a budget of " +
                          fixed(claims_.fraction, 3) + " of the length."));
    add_budget_columns(table);
    std::vector<std::map<std::string, TagLifetime>> found;
    for (const auto budget : budgets_) found.push_back(tags_of(samples(claims_.policy, budget)));
    table.columns.push_back({"here", Align::kRight, ratio});
    if (claimed) table.columns.push_back({published_.model, Align::kRight, ratio});
    const auto compared = tags_of(samples(claims_.policy, *at));
    const double mean = overall(compared);
    std::vector<std::pair<double, std::string>> order;
    for (const auto& [tag, lifetime] : compared) order.emplace_back(-lifetime.mean, tag);
    std::sort(order.begin(), order.end());
    for (const auto& [negated, tag] : order) {
      const TagLifetime& own = compared.at(tag);
      std::vector<TableCell> row = {{tag}, {with_thousands(own.tokens)}};
      for (const auto& column : found) {
        const auto at_budget = column.find(tag);
        row.push_back({at_budget == column.end() ? kDash : fixed(at_budget->second.mean, 0)});
      }
      row.push_back({fixed(own.mean / mean, 2)});
      if (claimed) {
        const auto paper = published_ratio(tag);
        row.push_back({paper ? fixed(*paper, 2) : kDash});
      }
      if (own.tokens < kFewTokens) {
        for (TableCell& cell : row) cell.tone = Tone::kMuted;
        row[1].notes.push_back(
            table.note("Fewer than " + std::to_string(kFewTokens) + " tokens: hardly a mean."));
      }
      table.add_row(std::move(row));
    }
    return table;
  }

  std::vector<PlotFigure> draw_means() const {
    std::vector<PlotFigure> out;
    const auto add = [&](const std::string& name, const std::string& title,
                         const std::string& x_label, const std::string& y_label,
                         std::vector<std::optional<double>> RetentionSample::*member,
                         double scale) {
      PlotPanel plot{.title = panel_.settings.model + ", " + claims_.policy,
                     .x_label = x_label,
                     .y_label = y_label,
                     .series = {},
                     .level = {},
                     .linear_x = true,
                     .from_zero = true};
      for (std::size_t b = 0; b < budgets_.size(); ++b) {
        PlotSeries series{"budget " + with_thousands(budgets_[b]), b, {}};
        const auto means = mean_of(samples(claims_.policy, budgets_[b]), member);
        for (std::size_t i = 0; i < means.size(); ++i) {
          if (!means[i]) continue;
          series.points.push_back({static_cast<double>(i), scale * *means[i], {}, {}});
        }
        if (!series.points.empty()) plot.series.push_back(std::move(series));
      }
      if (!plot.series.empty()) out.push_back({name + suffix_, title, {std::move(plot)}});
    };
    add("first-positions", "How long the first tokens stay", "position", "mean steps kept",
        &RetentionSample::first, 1);
    add("recency-by-layer", "Recent tokens among those kept, by layer", "layer",
        "recent, % of kept tokens", &RetentionSample::layers, 100);
    return out;
  }

  std::vector<std::string> policies() const {
    std::vector<std::string> names;
    for (const CellResult& cell : panel_.cells) {
      if (cell.budget && std::find(names.begin(), names.end(), cell.policy) == names.end()) {
        names.push_back(cell.policy);
      }
    }
    return names;
  }

  std::optional<std::int64_t> middle_budget() const {
    return budgets_.empty() ? std::nullopt : std::optional(budgets_[budgets_.size() / 2]);
  }

  /// The paper's lifetime of a tag over that of all, at the claims' share of its length.
  std::optional<double> published_ratio(const std::string& tag) const {
    const auto length = published_.length();
    if (!length) return std::nullopt;
    const auto budget = std::llround(claims_.fraction * static_cast<double>(*length));
    std::optional<double> own, mean;
    for (const PublishedValue& value : published_.values) {
      if (value.budget != budget) continue;
      if (value.tag == tag) own = value.value;
      if (value.tag == "Avg.") mean = value.value;
    }
    if (!own || !mean) return std::nullopt;
    return *own / *mean;
  }

  static double overall(const std::map<std::string, TagLifetime>& tags) {
    std::vector<std::string> all;
    for (const auto& [tag, lifetime] : tags) all.push_back(tag);
    return mean_of_tags(tags, all).value_or(1);
  }

  const Panel& panel_;
  const RetentionOutputs& outputs_;
  const RetentionClaims& claims_;
  const PublishedTable& published_;
  std::string suffix_;
  std::vector<std::int64_t> budgets_;
  std::vector<RetentionFinding> findings_;
  std::vector<PlotFigure> figures_;
  std::vector<NamedTable> tables_;
};

void add_section(Document& document, const Section& section, const RetentionClaims& claims,
                 const PublishedTable& published, const ReportFiles& files) {
  auto& blocks = document.blocks;
  blocks.push_back(panel_facts(section.panel()));
  blocks.push_back(Heading{2, "Do the paper's observations hold here?"});
  blocks.push_back(Paragraph{claims.paper + " (arXiv " + claims.arxiv + ") observed " +
                             published.model + "; its figures do not compare with those of " +
                             section.panel().settings.model + ", its observations do."});
  Verdicts verdicts;
  for (const RetentionFinding& finding : section.findings()) {
    verdicts.items.push_back({.verdict = std::string(to_string(finding.verdict)),
                              .tone = tone_of(finding.verdict),
                              .text = finding.statement.text,
                              .detail = finding.numbers + ". " + finding.statement.source});
  }
  blocks.push_back(std::move(verdicts));
  blocks.push_back(Heading{2, "What stays"});
  for (const PlotFigure& figure : section.figures()) {
    blocks.push_back(files.picture(figure, figure.title, describe_figure(figure),
                                   figure.title + ": means over samples" +
                                       (figure.name.starts_with("first") ? " and layers" : "") +
                                       ". The numbers stand in the database (`output` of the view "
                                       "`samples`)."));
  }
  for (const NamedTable& named : section.tables()) {
    blocks.push_back(TableBlock{named.id, named.table});
  }
  blocks.push_back(
      Paragraph{"Which tokens of a text stay, layer by layer, is shown by `lethe "
                "trace` and `lethe analyze`."});
}

}  // namespace

ReportResult write_retention_report(const store::RunStore& store, const ReportRequest& request,
                                    const Clock& clock) {
  const Selection selection{.suite = request.suite, .cell_keys = request.cell_keys};
  const auto published_folder = request.data_dir / "published";
  const RetentionClaims claims =
      read_retention_claims(published_folder / "claims-tova-analysis.json");
  const PublishedTable published = read_published(published_folder / (claims.published + ".json"));
  auto panels = read_panels(store, selection);
  std::erase_if(panels, [](const Panel& panel) { return panel.settings.task != kRetentionTask; });
  const auto outputs = read_retention(store, selection);
  ReportFiles files(request);
  ReportResult result;
  Document document;
  document.title = request.title.empty() ? "What a policy keeps" : request.title;
  document.subtitle = "Which tokens of its past a language model keeps under a cache budget.";
  if (panels.empty()) {
    say_empty(document, result, store);
  }
  for (std::size_t i = 0; i < panels.size(); ++i) {
    const Section section(panels[i], outputs, claims, published, selection,
                          i == 0 ? "" : "-" + std::to_string(i + 1));
    files.draw_figures(section.figures());
    const std::string name = panels.size() > 1 ? panel_name(panels[i], panels) : "";
    if (!name.empty()) {
      document.blocks.push_back(Heading{2, "Part " + std::to_string(i + 1) + ": " + name});
    }
    add_section(document, section, claims, published, files);
    for (const RetentionFinding& finding : section.findings()) {
      result.summary.push_back((name.empty() ? "" : name + ": ") +
                               std::string(to_string(finding.verdict)) + ": " +
                               finding.statement.text + " (" + finding.numbers + ")");
    }
    if (files.wants("csv")) {
      for (const NamedTable& named : section.tables()) files.save(named.file, to_csv(named.table));
    }
  }
  return files.finish(std::move(document), std::move(result), store, selection, clock);
}

}  // namespace lethe::reports
