// SPDX-License-Identifier: Apache-2.0
#include "reports/retention_report.h"

#include <algorithm>
#include <cmath>

#include "harness/base/names.h"
#include "harness/base/text.h"
#include "reports/claims.h"
#include "reports/numbers.h"
#include "reports/published.h"
#include "reports/report_files.h"
#include "reports/retention_data.h"

namespace lethe::reports {
namespace {

constexpr std::int64_t kFewTokens = 20;

/// One claim with what was found.
struct Finding {
  RetentionClaims::Statement statement;
  Verdict verdict = Verdict::kNotComparable;
  std::string numbers;
};

std::string percent(double share) {
  return fixed(100 * share, 1) + " %";
}

std::string percent_interval(const Estimate& estimate) {
  const auto ends = interval(estimate);
  return ends ? "[" + fixed(100 * ends->low, 1) + ", " + fixed(100 * ends->high, 1) + "]" : "";
}

/// A table with its name in the page and that of its file.
struct NamedTable {
  std::string id;
  std::string file;
  Table table;
};

/// A panel of cells, and what their samples say.
class Section {
 public:
  using Outputs = std::map<std::string, std::vector<RetentionSample>>;

  Section(const Panel& panel, const Outputs& outputs, const RetentionClaims& claims,
          const PublishedTable& published, const Selection& selection, std::string suffix)
      : panel_(panel),
        outputs_(outputs),
        claims_(claims),
        published_(published),
        suffix_(std::move(suffix)),
        budgets_(panel.budgets()),
        findings_{recency(), first(), sinks(), tags()},
        figures_(draw_means()),
        tables_(make_tables(outputs_sql(selection), perplexity_sql(selection, panel.settings))) {}

  const Panel& panel() const { return panel_; }
  const std::vector<Finding>& findings() const { return findings_; }
  const std::vector<PlotFigure>& figures() const { return figures_; }
  const std::vector<NamedTable>& tables() const { return tables_; }

 private:
  const std::vector<RetentionSample>& samples(const std::string& policy,
                                              std::int64_t budget) const {
    static const std::vector<RetentionSample> kNone;
    const CellResult* cell = panel_.find(policy, budget);
    const auto found = cell && cell->usable() ? outputs_.find(cell->key) : outputs_.end();
    return found == outputs_.end() ? kNone : found->second;
  }

  std::vector<NamedTable> make_tables(const std::string& outputs,
                                      const std::string& perplexity) const {
    std::vector<NamedTable> tables;
    const auto add = [&](const std::string& id, const std::string& file, Table table,
                         const std::string& sql) {
      table.sql = sql;
      tables.push_back({id + suffix_, file + suffix_ + ".csv", std::move(table)});
    };
    add("recency", "recency", recency_table(), outputs);
    add("first", "first-positions", first_table(), outputs);
    add("tags", "tags", tags_table(), outputs);
    add("sinks", "sinks", sinks_table(), perplexity);
    return tables;
  }

  Table recency_table() const {
    Table table;
    table.caption = "Share of the kept tokens that are among the newest";
    table.columns = {{"policy"}};
    for (const auto budget : budgets_) {
      table.columns.push_back({with_thousands(budget), Align::kRight, "budget"});
    }
    for (const std::string& policy : policies()) {
      std::vector<TableCell> row = {{policy}};
      for (const auto budget : budgets_) {
        const auto share = recency_of(samples(policy, budget));
        row.push_back(share ? TableCell{percent(share->mean), percent_interval(*share)}
                            : TableCell{.text = "—", .tone = Tone::kMuted});
      }
      table.add_row(std::move(row));
    }
    table.note(
        "After a step, the kept tokens that are among the k newest, of all kept (k: the "
        "budget); mean over the steps from the first eviction on, layers and samples, with "
        "95 % intervals clustered by book.");
    return table;
  }

  Table first_table() const {
    Table table;
    table.caption = "Mean steps that the first tokens stay, " + claims_.policy;
    table.columns = {{"position", Align::kRight}};
    std::vector<std::vector<double>> means;
    for (const auto budget : budgets_) {
      table.columns.push_back({with_thousands(budget), Align::kRight, "budget"});
      means.push_back(mean_of(samples(claims_.policy, budget), &RetentionSample::first));
    }
    std::size_t rows = 0;
    for (const auto& column : means) rows = std::max(rows, column.size());
    for (std::size_t position = 0; position < rows; ++position) {
      std::vector<std::string> row = {std::to_string(position)};
      for (const auto& column : means) {
        row.push_back(position < column.size() ? fixed(column[position], 0) : "—");
      }
      table.add_row(std::move(row));
    }
    table.note("Of " + with_thousands(panel_.settings.length) +
               " steps, the token's own included; mean over layers and samples.");
    return table;
  }

  Table tags_table() const {
    Table table;
    const auto at = compared_budget();
    const auto paper_at = published_budget();
    table.caption = "Mean steps that a token stays, by part of speech, " + claims_.policy;
    table.columns = {{"tag"}, {"tokens", Align::kRight}};
    std::vector<std::map<std::string, TagLifetime>> found;
    for (const auto budget : budgets_) {
      table.columns.push_back({with_thousands(budget), Align::kRight, "budget"});
      found.push_back(tags_of(samples(claims_.policy, budget)));
    }
    table.columns.push_back({"here", Align::kRight, "of the mean"});
    table.columns.push_back({published_.model, Align::kRight, "of the mean"});
    const auto compared =
        at ? tags_of(samples(claims_.policy, *at)) : decltype(found)::value_type{};
    const double mean = overall(compared);
    std::vector<std::pair<double, std::string>> order;
    for (const auto& [tag, lifetime] : compared) order.emplace_back(-lifetime.mean, tag);
    std::sort(order.begin(), order.end());
    for (const auto& [negated, tag] : order) {
      const TagLifetime& own = compared.at(tag);
      const bool few = own.tokens < kFewTokens;
      std::vector<TableCell> row = {{tag}, {with_thousands(own.tokens)}};
      for (const auto& column : found) {
        const auto at_budget = column.find(tag);
        row.push_back({at_budget == column.end() ? "—" : fixed(at_budget->second.mean, 0)});
      }
      row.push_back({fixed(own.mean / mean, 2)});
      const auto paper = paper_at ? published_ratio(tag, *paper_at) : std::nullopt;
      row.push_back({paper ? fixed(*paper, 2) : "—"});
      if (few) {
        for (TableCell& cell : row) cell.tone = Tone::kMuted;
        row[1].notes.push_back(
            table.note("Fewer than " + std::to_string(kFewTokens) + " tokens: hardly a mean."));
      }
      table.add_row(std::move(row));
    }
    table.note(
        "\"Of the mean\": lifetime of the tag over that of all tagged tokens at a budget of " +
        fixed(claims_.fraction, 3) + " of the length; the paper's at the same share (" +
        published_.place +
        ", row \"Avg.\"). Another model, tokenizer and tagger: for the "
        "order, not the numbers.");
    return table;
  }

  Table sinks_table() const {
    Table table;
    table.caption = "Perplexity with explicit sinks, against " + claims_.policy;
    table.columns = {{"policy"},
                     {"budget", Align::kRight},
                     {"perplexity", Align::kRight},
                     {"difference, nats", Align::kRight},
                     {"p", Align::kRight}};
    for (const std::string& policy : claims_.sink_policies) {
      for (const auto budget : budgets_) {
        const CellResult* own = panel_.find(policy, budget);
        const auto difference = against_plain(policy, budget);
        if (!own || !difference) continue;
        const auto& ends = difference->delta_interval;
        const std::string detail =
            ends ? "[" + signed_fixed(ends->low, 4) + ", " + signed_fixed(ends->high, 4) + "]" : "";
        table.add_row(
            std::vector<TableCell>{{policy},
                                   {with_thousands(budget)},
                                   {perplexity_text(estimate_perplexity(*own).perplexity)},
                                   {signed_fixed(difference->delta.mean, 4), detail},
                                   {p_text(difference->test.p_two_sided)}});
      }
    }
    return table;
  }

  std::vector<PlotFigure> draw_means() const {
    std::vector<PlotFigure> out;
    const auto add = [&](const std::string& name, const std::string& title,
                         const std::string& x_label, const std::string& y_label,
                         std::vector<double> RetentionSample::*member, double scale) {
      PlotPanel plot{.title = panel_.settings.model + ", " + claims_.policy,
                     .x_label = x_label,
                     .y_label = y_label,
                     .series = {},
                     .level = {},
                     .linear_x = true};
      for (std::size_t b = 0; b < budgets_.size(); ++b) {
        PlotSeries series{"budget " + with_thousands(budgets_[b]), b, {}};
        const auto means = mean_of(samples(claims_.policy, budgets_[b]), member);
        for (std::size_t i = 0; i < means.size(); ++i) {
          series.points.push_back({static_cast<double>(i), scale * means[i], {}, {}});
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

  /// The budget at the share of the length that the paper's table is compared at.
  std::optional<std::int64_t> compared_budget() const {
    const double wanted = claims_.fraction * static_cast<double>(panel_.settings.length);
    for (const auto budget : budgets_) {
      if (static_cast<double>(budget) == wanted) return budget;
    }
    return budgets_.empty() ? std::nullopt : std::optional(budgets_[budgets_.size() / 2]);
  }

  std::optional<std::int64_t> published_budget() const {
    const auto length = published_.length();
    if (!length) return std::nullopt;
    return std::llround(claims_.fraction * static_cast<double>(*length));
  }

  std::optional<double> published_ratio(const std::string& tag, std::int64_t budget) const {
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

  std::optional<PairedDifference> against_plain(const std::string& policy,
                                                std::int64_t budget) const {
    const CellResult* own = panel_.find(policy, budget);
    const CellResult* plain = panel_.find(claims_.policy, budget);
    if (!own || !plain || !own->usable() || !plain->usable()) return std::nullopt;
    return compare_cells(*own, *plain, budget);
  }

  Finding recency() const {
    Finding finding{claims_.recency, Verdict::kNotComparable, "no cell of " + claims_.policy};
    const auto budget = compared_budget();
    const auto share = budget ? recency_of(samples(claims_.policy, *budget)) : std::nullopt;
    if (!share) return finding;
    const auto ends = interval(*share).value_or(Interval{share->mean, share->mean});
    finding.verdict =
        verdict_of(ends.high >= claims_.recency_at_least && ends.low <= claims_.recency_at_most);
    finding.numbers = percent(share->mean) + " " + percent_interval(*share) + " at budget " +
                      with_thousands(*budget);
    return finding;
  }

  Finding first() const {
    Finding finding{claims_.first, Verdict::kNotComparable, "no cell of " + claims_.policy};
    const auto length = static_cast<double>(panel_.settings.length);
    bool holds = true;
    std::vector<std::string> parts;
    for (const auto budget : budgets_) {
      const auto means = mean_of(samples(claims_.policy, budget), &RetentionSample::first);
      if (means.size() < 2) continue;
      double next = 0;
      for (std::size_t i = 1; i < means.size(); ++i) next += means[i];
      next /= static_cast<double>(means.size() - 1);
      holds = holds && means[0] >= claims_.first_at_least * length &&
              next <= claims_.next_at_most * length;
      parts.push_back(with_thousands(budget) + ": " + fixed(means[0], 0) + " and " +
                      fixed(next, 0) + " steps");
    }
    if (parts.empty()) return finding;
    finding.verdict = verdict_of(holds);
    finding.numbers =
        "of " + with_thousands(panel_.settings.length) + ", at budget " + join(parts, ", ");
    return finding;
  }

  Finding sinks() const {
    Finding finding{claims_.sinks, Verdict::kNotComparable, "no cell with explicit sinks"};
    double largest = 0;
    std::string where;
    for (const std::string& policy : claims_.sink_policies) {
      for (const auto budget : budgets_) {
        const auto difference = against_plain(policy, budget);
        if (!difference) continue;
        if (where.empty() || std::abs(difference->delta.mean) > std::abs(largest)) {
          largest = difference->delta.mean;
          where = policy + " at " + with_thousands(budget);
        }
      }
    }
    if (where.empty()) return finding;
    finding.verdict = verdict_of(std::abs(largest) <= claims_.sink_tolerance_nats);
    finding.numbers = "largest difference " + signed_fixed(largest, 4) + " nats (" + where +
                      "), tolerance " + fixed(claims_.sink_tolerance_nats, 4);
    return finding;
  }

  Finding tags() const {
    Finding finding{claims_.tags, Verdict::kNotComparable,
                    "the samples have no tags (option `tags` of the task)"};
    const auto budget = compared_budget();
    if (!budget) return finding;
    const auto found = tags_of(samples(claims_.policy, *budget));
    const auto longer = mean_of_tags(found, claims_.longer);
    const auto shorter = mean_of_tags(found, claims_.shorter);
    if (!longer || !shorter) return finding;
    finding.verdict = verdict_of(*longer > *shorter);
    finding.numbers = fixed(*longer, 0) + " against " + fixed(*shorter, 0) + " steps at budget " +
                      with_thousands(*budget);
    return finding;
  }

  const Panel& panel_;
  const Outputs& outputs_;
  const RetentionClaims& claims_;
  const PublishedTable& published_;
  std::string suffix_;
  std::vector<std::int64_t> budgets_;
  std::vector<Finding> findings_;
  std::vector<PlotFigure> figures_;
  std::vector<NamedTable> tables_;
};

void add_section(Document& document, const Section& section, const RetentionClaims& claims,
                 const PublishedTable& published, const ReportFiles& files) {
  auto& blocks = document.blocks;
  const Settings& s = section.panel().settings;
  blocks.push_back(Facts{{{"Model", s.model},
                          {"Task", s.task},
                          {"Length", with_thousands(s.length) + " tokens"},
                          {"Schedule", s.schedule},
                          {"Positions", s.positions},
                          {"Number format", s.dtype},
                          {"Seed", std::to_string(s.seed)}}});
  blocks.push_back(Heading{2, "Do the paper's observations hold here?"});
  blocks.push_back(Paragraph{claims.paper + " (arXiv " + claims.arxiv + ") observed " +
                             published.model + "; its figures do not compare with those of " +
                             s.model + ", its observations do."});
  Verdicts verdicts;
  for (const Finding& finding : section.findings()) {
    verdicts.items.push_back({.verdict = std::string(to_string(finding.verdict)),
                              .tone = tone_of(finding.verdict),
                              .text = finding.statement.text,
                              .detail = finding.numbers + ". " + finding.statement.source});
  }
  blocks.push_back(std::move(verdicts));
  blocks.push_back(Heading{2, "What stays"});
  for (const PlotFigure& figure : section.figures()) {
    blocks.push_back(files.picture(figure, figure.title, figure.title,
                                   figure.title + ": means over samples" +
                                       (figure.name.starts_with("first") ? " and layers" : "") +
                                       ". The numbers stand in the database (`output` of the view "
                                       "`samples`)."));
  }
  for (const NamedTable& named : section.tables()) {
    if (!named.table.rows.empty()) blocks.push_back(TableBlock{named.id, named.table});
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
  const auto panels = read_panels(store, selection);
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
    if (panels.size() > 1) {
      const Settings& s = panels[i].settings;
      document.blocks.push_back(Heading{2, "Part " + std::to_string(i + 1) + ": " + s.model + ", " +
                                               with_thousands(s.length) + " tokens, " + s.schedule +
                                               ", " + s.dtype});
    }
    add_section(document, section, claims, published, files);
    for (const Finding& finding : section.findings()) {
      result.summary.push_back(std::string(to_string(finding.verdict)) + ": " +
                               finding.statement.text + " (" + finding.numbers + ")");
    }
    if (files.wants("csv")) {
      for (const NamedTable& named : section.tables()) files.save(named.file, to_csv(named.table));
    }
  }
  return files.finish(std::move(document), std::move(result), store, selection, clock);
}

}  // namespace lethe::reports
