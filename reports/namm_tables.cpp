// SPDX-License-Identifier: Apache-2.0
// Tables of one panel, of published figures and of all cells.
#include "reports/namm_tables.h"

#include <algorithm>
#include <cmath>

#include "harness/base/names.h"
#include "harness/base/text.h"
#include "reports/numbers.h"
#include "reports/panel_text.h"

namespace lethe::reports {
namespace {

std::string value_text(const NammPanel& panel, double value) {
  return panel.text ? perplexity_text(std::exp(value)) : fixed(value, 2);
}

std::string ends_text(const NammPanel& panel, const std::optional<Interval>& ends) {
  if (panel.text) return perplexity_interval_text(ends);
  return ends ? "[" + fixed(ends->low, 2) + ", " + fixed(ends->high, 2) + "]" : "";
}

/// Rows of one panel's table.
class PanelTable {
 public:
  PanelTable(const NammSection& section, const NammResults& results, const NammClaims& claims)
      : section_(section), panel_(*section.panel), results_(results), claims_(claims) {
    if (const auto full = panel_.full()) full_ = measure(panel_, panel_.methods[*full]);
  }

  Table table() {
    table_.caption = claims_.place(panel_);
    table_.header_columns = 4;
    table_.columns = {{"policy"},
                      {"seed"},
                      {"budget", Align::kRight},
                      {"schedule"},
                      {"mean", Align::kRight, "tokens per layer"},
                      {"peak", Align::kRight, "tokens per layer"},
                      {"mean", Align::kRight, "of full cache"},
                      {"peak", Align::kRight, "of full cache"},
                      {"memory beside NAMM"},
                      {panel_.text ? "perplexity" : "score", Align::kRight},
                      {"normalised", Align::kRight},
                      {"samples", Align::kRight},
                      {"NAMM better by", Align::kRight},
                      {"p (Holm)", Align::kRight}};
    add_notes();
    for (std::size_t i = 0; i < panel_.methods.size(); ++i) {
      const NammMethod& method = panel_.methods[i];
      for (const std::size_t row : method.rows) add_row(i, &panel_.rows[row]);
      if (method.rows.size() > 1) add_row(i, nullptr);
    }
    return std::move(table_);
  }

 private:
  void add_notes() {
    table_.note(
        "Memory as measured: tokens attended to per layer, mean over the text, and at the most. "
        "Equal memory: mean or peak within " +
        fixed(100 * claims_.equal_within, 0) +
        " % of NAMM's, and which of the two is said; rows with more or less are shown and enter no "
        "verdict.");
    table_.note(
        panel_.text
            ? "Perplexity with its 95 % interval over documents; normalised: perplexity of "
              "the full cache over the row's. NAMM better by: nats per token."
            : "Scores times 100 with their 95 % intervals over documents (Student's t below " +
                  std::to_string(kManyClusters) +
                  " documents). Normalised: score over the full cache's on the same prompts, "
                  "left out where that has less than " +
                  exact_text(claims_.least_base) + " points.");
    table_.note(
        "NAMM better by: paired by prompt, the mean over NAMM's seeds less the row's; of several "
        "NAMMs the one of nearest memory. p: sign-flip test over documents, two-sided, Holm's "
        "correction over all differences of this task.");
    if (panel_.corpus_score) {
      table_.note(
          "The benchmark's own score is computed over the corpus: here stands the mean over "
          "samples.");
    }
  }

  /// A null pointer: the mean over the method's rows.
  void add_row(std::size_t index, const NammRow* row) {
    const NammMethod& method = panel_.methods[index];
    const bool whole = !row || method.rows.size() == 1;
    const auto own = row ? measure(panel_, *row) : measure(panel_, method);
    std::vector<TableCell> cells{
        {claims_.label(method)},
        {row ? row->label : "mean of " + counted(method.rows.size(), "seed")},
        {budget_text(method.budget)},
        {method.schedule}};
    if (method.namm() && whole) note_training(method, cells[0]);
    add_memory(own, cells);
    const NammComparison* nearby = nearest(section_.comparisons, index);
    cells.push_back(memory_cell(method, own, nearby));
    cells.push_back(score_cell(method, row, own));
    const Normalised ratio = normalised(panel_, own, claims_.least_base);
    cells.push_back(ratio.value ? TableCell{fixed(*ratio.value, 3)} : reason_cell(ratio.missing));
    cells.push_back(samples_cell(method, row));
    add_difference(whole && !method.namm() ? nearby : nullptr, cells);
    if (!row) {
      for (TableCell& cell : cells) cell.tone = Tone::kStrong;
    }
    table_.add_row(std::move(cells));
  }

  TableCell reason_cell(const std::string& why) {
    return {.text = kDash, .notes = {table_.note(why)}, .tone = Tone::kMuted};
  }

  void note_training(const NammMethod& method, TableCell& cell) {
    const auto known = results_.trained_on(panel_, method);
    if (!known) {
      cell.notes.push_back(table_.note(
          "Whether it was evolved on this task is unknown: the database has no training run with "
          "these parameters."));
      return;
    }
    const NammTraining& run = *results_.training(panel_.rows[method.rows.front()].content);
    std::string text = *known ? "Evolved on this task" : "Not evolved on this task";
    if (run.model != panel_.settings.model) text += "; transferred from the model " + run.model;
    cell.notes.push_back(table_.note(text + "."));
  }

  void add_memory(const std::optional<NammMeasured>& own, std::vector<TableCell>& cells) {
    const store::CacheSize* cache = own && own->cache ? &*own->cache : nullptr;
    const store::CacheSize* full = full_ && full_->cache ? &*full_->cache : nullptr;
    for (const double store::CacheSize::*member :
         {&store::CacheSize::mean, &store::CacheSize::peak}) {
      cells.push_back({cache ? fixed(cache->*member, 1) : kDash});
    }
    for (const double store::CacheSize::*member :
         {&store::CacheSize::mean, &store::CacheSize::peak}) {
      const bool known = cache && full && full->*member > 0;
      cells.push_back({known ? percent(cache->*member / full->*member) : kDash});
    }
  }

  TableCell memory_cell(const NammMethod& method, const std::optional<NammMeasured>& own,
                        const NammComparison* nearby) {
    if (method.namm()) return {"NAMM"};
    if (!own || !nearby) return {kDash};
    TableCell cell{nearby->memory.text()};
    if (!nearby->memory.equal()) cell.tone = Tone::kMuted;
    return cell;
  }

  TableCell score_cell(const NammMethod& method, const NammRow* row,
                       const std::optional<NammMeasured>& own) {
    if (!own) {
      const NammRow& first = row ? *row : panel_.rows[method.rows.front()];
      return reason_cell(describe_missing(first.status, first.reason, first.samples.size(),
                                          first.wanted, panel_.text ? "finite NLL" : "score"));
    }
    TableCell cell{.text = value_text(panel_, own->estimate.mean),
                   .detail = ends_text(panel_, own->ends())};
    if (!row) {
      cell.detail += (cell.detail.empty() ? "" : "; ") + std::string("seeds ") +
                     value_text(panel_, own->least) + " to " + value_text(panel_, own->most);
      if (own->runs < method.rows.size()) {
        cell.notes.push_back(table_.note("Mean of " + std::to_string(own->runs) + " of " +
                                         counted(method.rows.size(), "seed") +
                                         ": the others have no number"));
      }
    }
    if (!own->estimate.standard_error) {
      cell.notes.push_back(table_.note("One document only: no interval can be given."));
    } else if (*own->estimate.standard_error == 0) {
      cell.notes.push_back(table_.note("No variance between documents: the interval is a point."));
    }
    return cell;
  }

  TableCell samples_cell(const NammMethod& method, const NammRow* row) {
    std::size_t found = 0;
    std::int64_t wanted = 0;
    for (const std::size_t index : method.rows) {
      const NammRow& one = panel_.rows[index];
      if (row && row != &one) continue;
      found += one.samples.size();
      wanted += one.wanted;
    }
    TableCell cell{with_thousands(static_cast<std::int64_t>(found)) + "/" + with_thousands(wanted)};
    if (static_cast<std::int64_t>(found) < wanted) cell.tone = Tone::kBad;
    return cell;
  }

  void add_difference(const NammComparison* one, std::vector<TableCell>& cells) {
    if (!one) {
      cells.push_back({kDash});
      cells.push_back({kDash});
      return;
    }
    const int digits = panel_.text ? 4 : 2;
    const auto ends = one->ends();
    TableCell gain{
        .text = signed_fixed(one->gain.mean, digits),
        .detail =
            ends ? "[" + fixed(ends->low, digits) + ", " + fixed(ends->high, digits) + "]" : ""};
    const bool shown =
        one->memory.equal() && one->gain.clusters > 1 && one->p_holm <= claims_.alpha;
    if (shown) gain.tone = one->gain.mean > 0 ? Tone::kGood : Tone::kBad;
    if (one->partial) gain.notes.push_back(table_.note("Not all samples are there yet."));
    cells.push_back(std::move(gain));
    cells.push_back({p_text(one->p_holm)});
  }

  const NammSection& section_;
  const NammPanel& panel_;
  const NammResults& results_;
  const NammClaims& claims_;
  std::optional<NammMeasured> full_;
  Table table_;
};

}  // namespace

Table namm_panel_table(const NammSection& section, const NammResults& results,
                       const NammClaims& claims) {
  return PanelTable(section, results, claims).table();
}

Table namm_differences_table(const NammSection& section, const NammClaims& claims) {
  const NammPanel& panel = *section.panel;
  const int digits = panel.text ? 4 : 2;
  Table table;
  table.caption = "NAMM against every other method: " + claims.place(panel);
  table.header_columns = 2;
  table.columns = {{"NAMM"},
                   {"other"},
                   {"memory of the other"},
                   {"NAMM better by, " + panel.unit(), Align::kRight},
                   {"95 % interval", Align::kRight},
                   {"p", Align::kRight},
                   {"p (Holm)", Align::kRight},
                   {"prompts", Align::kRight},
                   {"documents", Align::kRight}};
  for (const NammComparison& one : section.comparisons) {
    const auto ends = one.ends();
    table.add_row(std::vector<std::string>{
        claims.whole_label(panel.methods[one.namm]), claims.whole_label(panel.methods[one.other]),
        one.memory.text(), signed_fixed(one.gain.mean, digits),
        ends ? "[" + fixed(ends->low, digits) + ", " + fixed(ends->high, digits) + "]" : kDash,
        p_text(one.test.p_two_sided), p_text(one.p_holm), std::to_string(one.gain.n),
        std::to_string(one.gain.clusters)});
  }
  return table;
}

Table namm_published_table(const PublishedTable& published, const NammClaims& claims) {
  Table table;
  table.caption = published.title + " — " + published.paper + " (arXiv " + published.arxiv + "), " +
                  published.place + "; published, not run here";
  table.header_columns = 3;
  table.columns = {{"system"}, {"metric"},   {"cache", Align::kRight}, {"value", Align::kRight},
                   {"unit"},   {"certainty"}};
  table.note("Model: " + published.model + ".");
  const auto add = [&](const PublishedValue& value, bool read) {
    const auto known =
        std::find_if(claims.policies.begin(), claims.policies.end(),
                     [&](const auto& name) { return name.published == value.policy; });
    TableCell system{known == claims.policies.end() ? value.policy : known->label};
    if (!value.task.empty()) system.detail = value.task;
    if (!value.setting.empty()) system.notes.push_back(table.note(value.setting));
    TableCell number{read ? exact_text(value.value) : "not known"};
    TableCell certainty{!read                     ? "recalled, not read"
                        : value.secondary.empty() ? "read"
                                                  : "secondary"};
    if (!value.secondary.empty()) certainty.notes.push_back(table.note(value.secondary));
    if (!value.suspect.empty()) number.notes.push_back(table.note("Suspect: " + value.suspect));
    if (!read) {
      number.tone = Tone::kMuted;
      number.notes.push_back(
          table.note("Recalled as " + exact_text(value.value) + ": " + value.caution));
    } else if (!value.caution.empty()) {
      number.notes.push_back(table.note(value.caution));
    }
    table.add_row(std::vector<TableCell>{std::move(system),
                                         {value.metric.empty() ? published.metric : value.metric},
                                         {budget_text(value.budget)},
                                         std::move(number),
                                         {value.unit.empty() ? published.unit : value.unit},
                                         std::move(certainty)});
  };
  for (const PublishedValue& value : published.values) add(value, true);
  for (const PublishedValue& value : published.unverified) add(value, false);
  return table;
}

Table namm_tidy_table(const NammResults& results, const NammClaims& claims) {
  Table table;
  for (const char* name : {"task", "model", "length", "policy", "budget", "schedule", "seed",
                           "mean_tokens", "peak_tokens", "score", "mean_nll", "standard_error",
                           "normalised", "samples", "wanted", "trained_on", "status", "cell_key"}) {
    table.columns.push_back({name});
  }
  for (const NammPanel& panel : results.panels) {
    for (const NammMethod& method : panel.methods) {
      const auto known = method.namm() ? results.trained_on(panel, method) : std::nullopt;
      for (const std::size_t index : method.rows) {
        const NammRow& row = panel.rows[index];
        const auto own = measure(panel, row);
        const store::CacheSize* cache = own && own->cache ? &*own->cache : nullptr;
        const std::string mean = own ? exact_text(own->estimate.mean) : "";
        const auto ratio = normalised(panel, own, claims.least_base).value;
        const bool spread = own && own->estimate.standard_error;
        table.add_row(std::vector<std::string>{
            panel.settings.task, panel.settings.model, std::to_string(panel.settings.length),
            row.policy, row.budget ? std::to_string(*row.budget) : "", row.schedule,
            std::to_string(row.seed), cache ? exact_text(cache->mean) : "",
            cache ? exact_text(cache->peak) : "", panel.text ? "" : mean, panel.text ? mean : "",
            spread ? exact_text(*own->estimate.standard_error) : "",
            ratio ? exact_text(*ratio) : "", std::to_string(row.samples.size()),
            std::to_string(row.wanted), known ? (*known ? "yes" : "no") : "",
            store::to_string(row.status), row.key});
      }
    }
  }
  return table;
}

}  // namespace lethe::reports
