// SPDX-License-Identifier: Apache-2.0
#include "reports/perplexity_tables.h"

#include <algorithm>
#include <cmath>

#include "harness/base/text.h"
#include "reports/numbers.h"
#include "reports/panel_text.h"

namespace lethe::reports {
namespace {

std::string published_name(const ClaimSet& claims, const std::string& spec) {
  const auto at = std::find_if(claims.policies.begin(), claims.policies.end(),
                               [&](const PolicyName& policy) { return policy.spec == spec; });
  return at == claims.policies.end() ? "" : at->published;
}

TableCell policy_cell(const ClaimSet& claims, const std::string& spec) {
  return {.text = claims.label(spec), .detail = "(" + spec + ")"};
}

TableCell perplexity_cell(Table& table, const CellResult* cell) {
  if (!cell || !cell->usable()) return missing_cell(table, cell);
  const PerplexityEstimate estimate = estimate_perplexity(*cell);
  TableCell out{.text = perplexity_text(estimate.perplexity),
                .detail = perplexity_interval_text(estimate.nll_interval)};
  note_limits(table, out, *cell, estimate.nll);
  return out;
}

TableCell published_cell(Table& table, const PublishedTable& published, const std::string& policy,
                         std::int64_t budget) {
  const PublishedValue* value = policy.empty() ? nullptr : published.find(policy, budget);
  if (!value) {
    return {.text = kDash,
            .notes = {table.note("The paper prints no value here.")},
            .tone = Tone::kMuted};
  }
  TableCell out{.text = fixed(value->value, 2), .tone = Tone::kMuted};
  if (!value->suspect.empty())
    out.notes.push_back(table.note("Suspect in print: " + value->suspect));
  if (!value->caution.empty()) out.notes.push_back(table.note("Caution: " + value->caution));
  return out;
}

std::string length_text(std::optional<std::int64_t> length) {
  return length ? with_thousands(*length) + " tokens" : "lengths as given";
}

std::string interval_words(const std::optional<Interval>& interval, int digits) {
  return interval ? "[" + signed_fixed(interval->low, digits) + ", " +
                        signed_fixed(interval->high, digits) + "]"
                  : kDash;
}

std::string optional_exact(const std::optional<double>& value) {
  return value ? exact_text(*value) : "";
}

std::vector<std::string> settings_texts(const Settings& s) {
  return {s.task,  s.model,    std::to_string(s.length), s.schedule, s.positions,
          s.dtype, s.kv_dtype, std::to_string(s.seed)};
}

const std::vector<std::string> kSettingsNames = {"task",      "model", "length",   "schedule",
                                                 "positions", "dtype", "kv_dtype", "seed"};

/// Cells in the order of the table: the full cache, then the paper's policies by budget.
std::vector<const CellResult*> ordered_cells(const Panel& panel, const ClaimSet& claims) {
  std::vector<const CellResult*> cells;
  for (const CellResult& cell : panel.cells) {
    if (!cell.budget) cells.push_back(&cell);
  }
  for (const std::string& policy : policy_order(panel, claims)) {
    for (const std::int64_t budget : panel.budgets()) {
      if (const CellResult* cell = panel.find(policy, budget)) cells.push_back(cell);
    }
  }
  return cells;
}

}  // namespace

Table perplexity_table(const Panel& panel, const ClaimSet& claims,
                       const PublishedTable& published) {
  const Settings& settings = panel.settings;
  Table table;
  table.caption =
      "Perplexity by policy and cache budget, token average, with 95 % intervals "
      "clustered by book";
  table.columns.push_back({"Policy"});
  const std::string ours =
      settings.model + ", " + length_text(settings.length) + " (measured here)";
  const std::string theirs = "Published: another model (" + published.model + ", " +
                             length_text(published.length()) +
                             "): not comparable, for the shape only";
  // Without a budget on any axis there is still one column for the full cache.
  const std::vector<std::int64_t> budgets = panel.budgets();
  for (const std::int64_t budget : budgets) {
    const std::string name = with_thousands(budget);
    table.columns.push_back({name, Align::kRight, ours, "k = " + name});
  }
  if (budgets.empty()) table.columns.push_back({"any budget", Align::kRight, ours, "any budget"});
  for (const std::int64_t budget : published.budgets()) {
    const std::string name = with_thousands(budget);
    table.columns.push_back({name, Align::kRight, theirs, "paper: k = " + name});
  }
  table.note("Columns are budgets: tokens kept per layer after eviction. Paper columns: " +
             published.place + " of arXiv " + published.arxiv + ", " + published.model + ", " +
             length_text(published.length()) +
             "; published, not measured here; another model: not comparable, for the shape only.");

  for (const CellResult& cell : panel.cells) {
    if (cell.budget) continue;
    std::vector<TableCell> row{policy_cell(claims, cell.policy)};
    row[0].notes.push_back(
        table.note("Takes no budget: the same value stands in every column it is compared with."));
    for (std::size_t i = 0; i < std::max<std::size_t>(1, budgets.size()); ++i) {
      row.push_back(perplexity_cell(table, &cell));
    }
    for (const std::int64_t budget : published.budgets()) {
      // The paper's topline is its un-evicted model at the whole length.
      const bool whole = cell.policy == kFullPolicy && published.length() == budget;
      row.push_back(published_cell(table, published, whole ? "baseline" : "", budget));
    }
    table.add_row(std::move(row));
  }
  for (const std::string& policy : policy_order(panel, claims)) {
    std::vector<TableCell> row{policy_cell(claims, policy)};
    for (const std::int64_t budget : budgets) {
      row.push_back(perplexity_cell(table, panel.find(policy, budget)));
    }
    for (const std::int64_t budget : published.budgets()) {
      row.push_back(published_cell(table, published, published_name(claims, policy), budget));
    }
    table.add_row(std::move(row));
  }
  return table;
}

Table averages_table(const Panel& panel, const ClaimSet& claims) {
  Table table;
  table.caption = "Token average and book average of every cell, with counts";
  table.columns = {{"Policy"},
                   {"Budget", Align::kRight},
                   {"Mean NLL (nats)", Align::kRight},
                   {"Perplexity, token average", Align::kRight},
                   {"Perplexity, book average", Align::kRight},
                   {"Books", Align::kRight},
                   {"Samples", Align::kRight},
                   {"Tokens scored", Align::kRight}};
  table.note(
      "Token average: exp(sum of NLL / sum of tokens). Book average: mean over books of "
      "exp(book's NLL / book's tokens). Intervals: 95 %, Student's t over books below " +
      std::to_string(kManyClusters) + " books, else normal.");
  for (const CellResult* cell : ordered_cells(panel, claims)) {
    const std::string samples =
        std::to_string(cell->samples.size()) + "/" + std::to_string(cell->wanted);
    std::vector<TableCell> row{policy_cell(claims, cell->policy),
                               {.text = budget_text(cell->budget)}};
    if (!cell->usable()) {
      const TableCell missing = missing_cell(table, cell);
      row.insert(row.end(),
                 {missing, missing, missing, {.text = kDash}, {.text = samples}, {.text = kDash}});
    } else {
      const PerplexityEstimate estimate = estimate_perplexity(*cell);
      TableCell token{.text = perplexity_text(estimate.perplexity),
                      .detail = perplexity_interval_text(estimate.nll_interval)};
      note_limits(table, token, *cell, estimate.nll);
      TableCell book{.text = perplexity_text(estimate.book_perplexity)};
      if (const auto& ends = estimate.book_interval) {
        book.detail = "[" + perplexity_text(ends->low) + ", " + perplexity_text(ends->high) + "]";
      }
      row.push_back({.text = fixed(estimate.nll.mean, 4)});
      row.push_back(std::move(token));
      row.push_back(std::move(book));
      row.push_back({.text = std::to_string(estimate.nll.clusters)});
      row.push_back({.text = samples});
      row.push_back({.text = with_thousands(estimate.tokens)});
    }
    table.add_row(std::move(row));
  }
  return table;
}

Table differences_table(std::span<const PairedDifference> rows, const ClaimSet& claims,
                        const std::string& caption) {
  Table table;
  table.caption = caption;
  table.header_columns = 2;
  table.columns = {{"Difference"},
                   {"Budget", Align::kRight},
                   {"Δ mean NLL (nats)", Align::kRight},
                   {"95 % interval", Align::kRight},
                   {"Perplexity ratio", Align::kRight},
                   {"p", Align::kRight},
                   {"p (Holm)", Align::kRight},
                   {"Detectable |Δ|", Align::kRight},
                   {"Samples", Align::kRight},
                   {"Books", Align::kRight}};
  table.note(
      "First policy minus second, on the same samples, token average; negative: the first "
      "is better. Interval clustered by book. p: two-sided sign-flip permutation over "
      "books, Holm's adjustment over the " +
      counted(rows.size(), "row") +
      " of this table. Detectable |Δ|: found with 80 % power "
      "at the 5 % level, given the spread seen.");
  double smallest = 1;
  std::size_t books = 0;
  for (const PairedDifference& row : rows) {
    if (row.test.exact && row.test.patterns > 1) {
      smallest = std::min(smallest, 2.0 / static_cast<double>(row.test.patterns));
      books = std::max(books, row.delta.clusters);
    }
  }
  if (books > 0 && smallest * static_cast<double>(rows.size()) > 0.05) {
    table.note("With " + counted(books, "book") + " no p-value can fall below " + p_text(smallest) +
               ", so Holm's adjustment over " + counted(rows.size(), "row") +
               " cannot reach 0.05 by an exact test: read the intervals, or run more books.");
  }
  for (const PairedDifference& row : rows) {
    std::vector<TableCell> cells{
        {.text = claims.label(row.a) + " − " + claims.label(row.b)},
        {.text = with_thousands(row.budget)},
        {.text = signed_fixed(row.delta.mean, 4)},
        {.text = interval_words(row.delta_interval, 4)},
        {.text = row.ratio < 1000 ? fixed(row.ratio, 4) : scientific(row.ratio)},
        {.text = p_text(row.test.p_two_sided)},
        {.text = p_text(row.p_holm)},
        {.text = row.detectable ? fixed(*row.detectable, 4) : kDash},
        {.text = std::to_string(row.delta.n)},
        {.text = std::to_string(row.delta.clusters)}};
    if (!row.delta.standard_error) {
      cells[3].notes.push_back(table.note("One book only: no interval, and no test can decide."));
    } else if (*row.delta.standard_error == 0) {
      cells[3].notes.push_back(table.note("No variance between books: the interval is a point."));
    }
    if (!row.test.exact) {
      cells[5].notes.push_back(table.note(
          "Monte Carlo over " + with_thousands(static_cast<std::int64_t>(kMonteCarloFlips)) +
          " sign patterns with a fixed seed"));
    }
    if (row.partial) {
      cells[8].notes.push_back(
          table.note("Not all samples are there yet, or the cells share only some."));
    }
    table.add_row(std::move(cells));
  }
  return table;
}

Table checks_table(std::span<const ClaimOutcome> outcomes, const ClaimSet& claims) {
  Table table;
  table.caption = "The comparisons behind the verdicts";
  table.header_columns = 2;
  table.columns = {{"Claim"},
                   {"Policy"},
                   {"Budget", Align::kRight},
                   {"Verdict"},
                   {"Compared"},
                   {"p", Align::kRight},
                   {"p (Holm)", Align::kRight},
                   {"Samples", Align::kRight},
                   {"Books", Align::kRight}};
  table.note(
      "A verdict follows the measured value and the claim's own tolerance; p says whether "
      "the sample could have told the difference from none.");
  for (const ClaimOutcome& outcome : outcomes) {
    for (const ClaimCheck& check : outcome.checks) {
      const Tone tone =
          check.verdict == Verdict::kNotComparable ? Tone::kMuted : tone_of(check.verdict);
      table.add_row(std::vector<TableCell>{
          {.text = outcome.claim.id,
           .notes = {table.note("`" + outcome.claim.id + "`: " + outcome.claim.source +
                                ". Tolerance: " + outcome.claim.tolerance_reason + ".")}},
          {.text = check.policy.empty() ? kDash : claims.label(check.policy)},
          {.text = budget_text(check.budget)},
          {.text = std::string(to_string(check.verdict)), .tone = tone},
          {.text = check.numbers},
          {.text = check.p ? p_text(*check.p) : kDash},
          {.text = check.p_holm ? p_text(*check.p_holm) : kDash},
          {.text = std::to_string(check.samples)},
          {.text = std::to_string(check.books)}});
    }
  }
  return table;
}

Table tidy_table(std::span<const Panel> panels) {
  Table table;
  for (const std::string& name : kSettingsNames) table.columns.push_back({name});
  for (const char* name :
       {"policy", "budget", "status", "reason", "samples", "samples_wanted", "books", "tokens",
        "mean_nll", "mean_nll_stderr", "mean_nll_low", "mean_nll_high", "perplexity",
        "perplexity_low", "perplexity_high", "book_perplexity", "book_perplexity_low",
        "book_perplexity_high", "cell_key"}) {
    table.columns.push_back({name});
  }
  for (const Panel& panel : panels) {
    for (const CellResult& cell : panel.cells) {
      std::vector<std::string> row = settings_texts(panel.settings);
      const auto add = [&](std::string text) { row.push_back(std::move(text)); };
      add(cell.policy);
      add(cell.budget ? std::to_string(*cell.budget) : "");
      add(store::to_string(cell.status));
      add(cell.reason);
      add(std::to_string(cell.samples.size()));
      add(std::to_string(cell.wanted));
      if (cell.usable()) {
        const PerplexityEstimate e = estimate_perplexity(cell);
        add(std::to_string(e.nll.clusters));
        add(std::to_string(e.tokens));
        add(exact_text(e.nll.mean));
        add(optional_exact(e.nll.standard_error));
        const auto& nll = e.nll_interval;
        const auto& book = e.book_interval;
        add(nll ? exact_text(nll->low) : "");
        add(nll ? exact_text(nll->high) : "");
        add(exact_text(e.perplexity));
        add(nll ? exact_text(std::exp(nll->low)) : "");
        add(nll ? exact_text(std::exp(nll->high)) : "");
        add(exact_text(e.book_perplexity));
        add(book ? exact_text(book->low) : "");
        add(book ? exact_text(book->high) : "");
      }
      row.resize(table.columns.size() - 1);
      add(cell.key);
      table.add_row(std::move(row));
    }
  }
  return table;
}

Table tidy_differences(std::span<const Panel> panels, std::span<const Comparisons> comparisons) {
  Table table;
  for (const std::string& name : kSettingsNames) table.columns.push_back({name});
  for (const char* name :
       {"a", "b", "budget", "delta_nll", "stderr", "low", "high", "perplexity_ratio", "p", "p_holm",
        "p_exact", "detectable_delta", "samples", "books"}) {
    table.columns.push_back({name});
  }
  for (std::size_t i = 0; i < panels.size(); ++i) {
    for (const auto* list : {&comparisons[i].between, &comparisons[i].against_full}) {
      for (const PairedDifference& d : *list) {
        std::vector<std::string> row = settings_texts(panels[i].settings);
        const auto& ends = d.delta_interval;
        for (std::string text :
             {d.a, d.b, std::to_string(d.budget), exact_text(d.delta.mean),
              optional_exact(d.delta.standard_error), ends ? exact_text(ends->low) : "",
              ends ? exact_text(ends->high) : "", exact_text(d.ratio),
              exact_text(d.test.p_two_sided), exact_text(d.p_holm),
              std::string(d.test.exact ? "true" : "false"), optional_exact(d.detectable),
              std::to_string(d.delta.n), std::to_string(d.delta.clusters)}) {
          row.push_back(std::move(text));
        }
        table.add_row(std::move(row));
      }
    }
  }
  return table;
}

}  // namespace lethe::reports
