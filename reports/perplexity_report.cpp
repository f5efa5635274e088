// SPDX-License-Identifier: Apache-2.0
#include "reports/perplexity_report.h"

#include <algorithm>
#include <array>

#include "harness/base/names.h"
#include "harness/base/text.h"
#include "reports/document.h"
#include "reports/numbers.h"
#include "reports/panel_text.h"
#include "reports/perplexity_query.h"
#include "reports/perplexity_tables.h"
#include "reports/report_files.h"

namespace lethe::reports {
namespace {

namespace fs = std::filesystem;

/// A panel with everything computed from it.
struct Section {
  std::string suffix;  ///< "" for the first panel, "-2", "-3", … for file names and ids
  Comparisons comparisons;
  std::vector<ClaimOutcome> outcomes;
  std::vector<PlotFigure> figures;
};

class Writer {
 public:
  Writer(const store::RunStore& store, const ReportRequest& request, const Clock& clock)
      : store_(store),
        request_(request),
        clock_(clock),
        selection_{.suite = request.suite, .cell_keys = request.cell_keys},
        claims_(read_claims(request.data_dir / "published" / "claims-tova.json")),
        published_(read_published(request.data_dir / "published" / (claims_.published + ".json"))),
        panels_(read_panels(store, selection_)) {
    for (std::size_t i = 0; i < panels_.size(); ++i) {
      const std::string suffix = i == 0 ? "" : "-" + std::to_string(i + 1);
      Section section{.suffix = suffix,
                      .comparisons = compare_panel(panels_[i], claims_),
                      .outcomes = {},
                      .figures = {}};
      section.outcomes = check_claims(panels_[i], claims_, section.comparisons);
      for (PlotFigure& figure :
           std::array{perplexity_figure(panels_[i], claims_, published_, "perplexity" + suffix),
                      cost_figure(panels_[i], claims_, published_, "cost" + suffix)}) {
        if (!figure.panels.empty()) section.figures.push_back(std::move(figure));
      }
      sections_.push_back(std::move(section));
    }
  }

  ReportResult write() {
    for (const Section& section : sections_) files_.draw_figures(section.figures);
    const Document document = make_document();
    if (files_.wants("html")) files_.save("index.html", to_html_page(document), true);
    if (files_.wants("md")) files_.save("report.md", to_markdown(document));
    if (files_.wants("csv")) save_csv();
    summarise();
    result_.files = files_.take();
    return std::move(result_);
  }

 private:
  void save_csv() {
    std::vector<Comparisons> comparisons;
    for (std::size_t i = 0; i < sections_.size(); ++i) {
      comparisons.push_back(sections_[i].comparisons);
      files_.save("table" + sections_[i].suffix + ".csv",
                  to_csv(perplexity_table(panels_[i], claims_, published_)));
      files_.save("claims" + sections_[i].suffix + ".csv",
                  to_csv(checks_table(sections_[i].outcomes, claims_)));
    }
    files_.save("perplexity.csv", to_csv(tidy_table(panels_)));
    files_.save("differences.csv", to_csv(tidy_differences(panels_, comparisons)));
  }

  std::string title() const {
    if (!request_.title.empty()) return request_.title;
    return request_.suite.empty() ? "Perplexity" : "Perplexity: suite " + request_.suite;
  }

  Document make_document() const {
    Document document;
    document.title = title();
    document.subtitle = "What a language model loses when it keeps only part of its past.";
    auto& blocks = document.blocks;
    if (panels_.empty()) {
      const std::string what =
          request_.suite.empty() ? "no cell" : "no cell of suite `" + request_.suite + "`";
      blocks.push_back(Paragraph{"The database `" + database() + "` holds " + what +
                                 ". Run the suite first; this report then fills itself."});
    }
    if (panels_.size() > 1) {
      blocks.push_back(
          Paragraph{"The cells differ in more than policy and budget, so they stand in " +
                    std::to_string(panels_.size()) + " parts that are never mixed."});
    }
    for (std::size_t i = 0; i < panels_.size(); ++i) add_section(document, i);
    document.footer = footer_of(store_, selection_, clock_);
    return document;
  }

  void add_section(Document& document, std::size_t index) const {
    const Panel& panel = panels_[index];
    const Section& section = sections_[index];
    auto& blocks = document.blocks;
    if (panels_.size() > 1) {
      blocks.push_back(
          Heading{2, "Part " + std::to_string(index + 1) + ": " + panel_name(panel, panels_)});
    }
    const std::string headline = headline_of(panel);
    if (!headline.empty()) blocks.push_back(Paragraph{headline});
    blocks.push_back(panel_facts(panel));
    blocks.push_back(Heading{2, "Do the paper's claims hold here?"});
    blocks.push_back(Paragraph{claims_.paper + " (arXiv " + claims_.arxiv + ") measured " +
                               published_.model + ". Its figures do not compare with those of " +
                               panel.settings.model +
                               "; its claims do. A claim that fails is a result, and is shown."});
    blocks.push_back(verdicts_of(section));
    blocks.push_back(Heading{2, "Perplexity against cache budget"});
    for (const PlotFigure& figure : section.figures) blocks.push_back(picture_of(panel, figure));
    add_table(document, "perplexity" + section.suffix, perplexity_table(panel, claims_, published_),
              perplexity_sql(selection_, panel.settings));
    add_table(document, "averages" + section.suffix, averages_table(panel, claims_),
              averages_sql(selection_, panel.settings));
    add_differences(document, index);
    blocks.push_back(Heading{2, "How the claims were checked"});
    add_table(document, "claims" + section.suffix, checks_table(section.outcomes, claims_),
              differences_query(panel, section));
  }

  void add_differences(Document& document, std::size_t index) const {
    const Panel& panel = panels_[index];
    const Section& section = sections_[index];
    document.blocks.push_back(Heading{2, "Paired differences"});
    if (section.comparisons.between.empty() && section.comparisons.against_full.empty()) {
      document.blocks.push_back(
          Paragraph{"No two cells below the length share a sample, so there is "
                    "nothing to compare."});
      return;
    }
    const auto add = [&](const std::string& id, const std::vector<PairedDifference>& rows,
                         const std::string& caption) {
      if (rows.empty()) return;
      add_table(document, id + section.suffix, differences_table(rows, claims_, caption),
                differences_sql(selection_, panel.settings, pairs_of(rows)));
    };
    add("between", section.comparisons.between, "Between policies, at equal budget");
    add("cost-of", section.comparisons.against_full, "Against the full cache: what eviction costs");
  }

  static void add_table(Document& document, std::string id, Table table, std::string sql) {
    table.sql = std::move(sql);
    document.blocks.push_back(TableBlock{std::move(id), std::move(table)});
  }

  static std::vector<std::pair<std::string, std::string>> pairs_of(
      const std::vector<PairedDifference>& rows) {
    std::vector<std::pair<std::string, std::string>> pairs;
    for (const PairedDifference& row : rows) {
      const std::pair pair(row.a, row.b);
      if (std::find(pairs.begin(), pairs.end(), pair) == pairs.end()) pairs.push_back(pair);
    }
    return pairs;
  }

  std::string differences_query(const Panel& panel, const Section& section) const {
    auto pairs = pairs_of(section.comparisons.between);
    for (const std::string& policy : policy_order(panel, claims_)) {
      pairs.emplace_back(policy, std::string(kFullPolicy));
    }
    return differences_sql(selection_, panel.settings, pairs);
  }

  /// What the policies cost at the share of the length the paper speaks of.
  std::string headline_of(const Panel& panel) const {
    const CellResult* full = panel.full();
    const std::int64_t eighth = panel.settings.length / 8;
    if (!full || !full->usable() || eighth * 8 != panel.settings.length) return "";
    std::vector<std::pair<double, std::string>> parts;
    for (const std::string& policy : policy_order(panel, claims_)) {
      const CellResult* cell = panel.find(policy, eighth);
      if (!cell || !cell->usable()) continue;
      const double perplexity = estimate_perplexity(*cell).perplexity;
      const auto difference = compare_cells(*cell, *full, eighth);
      std::string text = claims_.label(policy) + " " + perplexity_text(perplexity);
      if (difference) text += " (×" + fixed(difference->ratio, 3) + ")";
      parts.emplace_back(perplexity, std::move(text));
    }
    if (parts.empty()) return "";
    std::sort(parts.begin(), parts.end());
    std::vector<std::string> texts;
    for (auto& part : parts) texts.push_back(std::move(part.second));
    return panel.settings.model + " keeping " + with_thousands(eighth) + " of " +
           with_thousands(panel.settings.length) + " tokens, perplexity: full cache " +
           perplexity_text(estimate_perplexity(*full).perplexity) + "; " + join(texts, ", ") + ".";
  }

  /// An invariant is not a paper's result to reproduce: it holds or Lethe has a bug.
  static std::string verdict_name(const ClaimOutcome& outcome) {
    const Verdict verdict = outcome.verdict();
    if (outcome.claim.kind == ClaimKind::kInvariant) {
      if (verdict == Verdict::kReproduced) return "invariant holds";
      if (verdict == Verdict::kNotReproduced) return "invariant violated";
    }
    return std::string(to_string(verdict));
  }

  Verdicts verdicts_of(const Section& section) const {
    Verdicts block;
    for (const ClaimOutcome& outcome : section.outcomes) {
      const Verdict verdict = outcome.verdict();
      block.items.push_back({.verdict = verdict_name(outcome),
                             .tone = tone_of(verdict),
                             .text = outcome.claim.statement,
                             .detail = outcome.summary()});
    }
    return block;
  }

  Picture picture_of(const Panel& panel, const PlotFigure& figure) const {
    const std::string description = describe_figure(figure);
    const bool cost = figure.title.starts_with("Cost");
    std::string caption = cost ? "Perplexity divided by that of the full cache on the same samples"
                               : "Token-average perplexity";
    caption += ", with 95 % intervals clustered by book (lines are set a little apart). ";
    caption += cost ? "Pairing takes the differences between books out of the intervals."
                    : "They include the differences between books; policies are compared on the "
                      "same samples below.";
    if (figure.panels.size() > 1) {
      caption += " Right: published for another model (" + published_.model + ", " +
                 published_.place + ", arXiv " + published_.arxiv +
                 "), not measured here and not comparable; for the shape only.";
    }
    if (std::any_of(figure.panels.begin(), figure.panels.end(),
                    [](const PlotPanel& p) { return strip_threshold(p).has_value(); })) {
      caption += " The upper strip has its own logarithmic axis; lines stop at the break.";
    }
    if (std::any_of(figure.panels.begin(), figure.panels.end(), cuts_intervals)) {
      caption +=
          " Intervals that reach far beyond the values are cut at the edge; the table has their "
          "ends.";
    }
    return files_.picture(
        figure,
        figure.title + ", " + panel.settings.model +
            ": one line per policy, the full cache across; the numbers stand in the tables below",
        description, std::move(caption));
  }

  std::string database() const { return store_.path().filename().string(); }

  void summarise() {
    for (std::size_t i = 0; i < panels_.size(); ++i) {
      const std::string where = panels_.size() > 1 ? panel_name(panels_[i], panels_) + ": " : "";
      if (const std::string headline = headline_of(panels_[i]); !headline.empty()) {
        result_.summary.push_back(where + headline);
      }
      for (const ClaimOutcome& outcome : sections_[i].outcomes) {
        result_.summary.push_back(where + verdict_name(outcome) + ": " + outcome.claim.statement +
                                  " (" + outcome.summary() + ")");
        result_.invariant_violated |= outcome.claim.kind == ClaimKind::kInvariant &&
                                      outcome.verdict() == Verdict::kNotReproduced;
      }
    }
    if (panels_.empty()) {
      result_.summary.push_back("no cells" +
                                (request_.suite.empty() ? "" : " of suite " + request_.suite) +
                                " in " + database() + ": nothing to report yet");
    }
  }

  const store::RunStore& store_;
  const ReportRequest& request_;
  const Clock& clock_;
  Selection selection_;
  ClaimSet claims_;
  PublishedTable published_;
  std::vector<Panel> panels_;
  std::vector<Section> sections_;
  ReportFiles files_{request_};
  ReportResult result_;
};

}  // namespace

ReportResult write_perplexity_report(const store::RunStore& store, const ReportRequest& request,
                                     const Clock& clock) {
  return Writer(store, request, clock).write();
}

}  // namespace lethe::reports
