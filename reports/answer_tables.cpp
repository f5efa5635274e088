// SPDX-License-Identifier: Apache-2.0
// Tables about inputs, differences and claims, and the table of everything for CSV.
#include "reports/answer_tables.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "harness/base/text.h"
#include "reports/numbers.h"

namespace lethe::reports {
namespace {

constexpr const char* kDash = "–";
constexpr const char* kTruncate = "truncate";

std::string percent(double share) {
  return fixed(100 * share, 0) + " %";
}

std::int64_t median(std::vector<std::int64_t> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  // The lower of two middles: a number of tokens that some prompt has.
  return values[(values.size() - 1) / 2];
}

std::string signed_interval(const Points& points) {
  const auto ends = points.ends();
  return ends ? "[" + signed_fixed(ends->low, 2) + ", " + signed_fixed(ends->high, 2) + "]" : kDash;
}

std::vector<ScoreDifference> differences(const AnswerPanel& panel,
                                         const std::vector<std::vector<std::size_t>>& task_sets) {
  std::vector<ScoreDifference> rows;
  const auto full = panel.full();
  if (!full) return rows;
  for (const auto& tasks : task_sets) {
    for (std::size_t column = 0; column < panel.columns.size(); ++column) {
      if (column == *full) continue;
      if (auto row = compare_columns(panel, tasks, column, *full)) rows.push_back(std::move(*row));
    }
  }
  adjust_for_multiplicity(rows);
  return rows;
}

std::string optional_exact(const std::optional<double>& value) {
  return value ? exact_text(*value) : "";
}

/// "no" prompt, "6 of 13", with the median of what went.
std::string cut_text(const CutSummary& cut) {
  if (cut.cut == 0) return "none";
  return std::to_string(cut.cut) + " of " + std::to_string(cut.prompts);
}

std::string stop_range(const AnswerPanel& panel, std::size_t task) {
  double least = 1;
  double most = 0;
  bool any = false;
  for (const AnswerCell& cell : panel.cells) {
    if (cell.task != task || cell.samples.empty()) continue;
    std::vector<const AnswerSample*> samples;
    for (const AnswerSample& sample : cell.samples) samples.push_back(&sample);
    const double share = ended_by_length(samples);
    least = std::min(least, share);
    most = std::max(most, share);
    any = true;
  }
  if (!any) return kDash;
  return least == most ? percent(least) : percent(least) + " to " + percent(most);
}

}  // namespace

std::string panel_name(const AnswerPanel& panel) {
  const Settings& s = panel.settings;
  std::string name = panel.name() + ", " + s.model + ", " + with_thousands(s.length) + " tokens, " +
                     s.schedule + ", " + s.positions + " positions, " + s.dtype;
  if (s.kv_dtype != "same") name += ", KV " + s.kv_dtype;
  return name + ", seed " + std::to_string(s.seed);
}

double ended_by_length(std::span<const AnswerSample* const> samples) {
  if (samples.empty()) return 0;
  const auto ended = std::count_if(samples.begin(), samples.end(), [](const AnswerSample* sample) {
    return sample->stop == "length";
  });
  return static_cast<double>(ended) / static_cast<double>(samples.size());
}

CutSummary cut_summary(const AnswerPanel& panel, std::span<const std::size_t> tasks) {
  const auto wanted = [&](const AnswerCell& cell) {
    return std::find(tasks.begin(), tasks.end(), cell.task) != tasks.end();
  };
  const auto whole = [&](const AnswerCell& cell) {
    return panel.columns[cell.column].policy != kTruncate;
  };
  const bool some_whole = std::any_of(
      panel.cells.begin(), panel.cells.end(),
      [&](const AnswerCell& cell) { return wanted(cell) && whole(cell) && !cell.samples.empty(); });
  CutSummary summary;
  std::set<std::pair<std::size_t, std::string>> seen;
  std::vector<std::int64_t> cut;
  std::vector<std::int64_t> in;
  for (const AnswerCell& cell : panel.cells) {
    if (!wanted(cell) || (some_whole && !whole(cell))) continue;
    for (const AnswerSample& sample : cell.samples) {
      if (!seen.insert({cell.task, sample.id}).second) continue;
      in.push_back(sample.tokens_in);
      if (sample.tokens_cut > 0) cut.push_back(sample.tokens_cut);
    }
  }
  summary.prompts = in.size();
  summary.cut = cut.size();
  summary.median_cut = median(cut);
  summary.median_in = median(in);
  if (!in.empty()) summary.most_in = *std::max_element(in.begin(), in.end());
  return summary;
}

Table input_table(const AnswerPanel& panel) {
  Table table;
  table.caption = panel.name() + ": what was read, and how answers ended";
  table.columns = {{"Task"},
                   {"Prompts", Align::kRight},
                   {"median", Align::kRight, "Tokens read", "Tokens read, median"},
                   {"most", Align::kRight, "Tokens read", "Tokens read, most"},
                   {"prompts", Align::kRight, "Cut", "Prompts cut"},
                   {"tokens", Align::kRight, "Cut", "Tokens cut, median"},
                   {"rule", Align::kLeft, "Cut", "Rule of the cut"},
                   {"tokens", Align::kRight, "Answer, at most", "Answer, at most tokens"},
                   {"reached", Align::kRight, "Answer, at most", "Answers ended by length"},
                   {"Chat"},
                   {"Data"}};
  table.note(
      "Prompts as the policies that keep a cache read them (the baseline cuts its input further). "
      "Tokens cut: median of those prompts that were cut. Rule: \"middle\" keeps the first and the "
      "last half of the prompt's tokens, \"document-end\" drops the end of the document. Reached: "
      "share of the answers that ended because they had used up their tokens; range over the "
      "columns. Chat: prompts stand in the model's chat template, where it has one.");
  for (std::size_t task = 0; task < panel.tasks.size(); ++task) {
    const AnswerTaskInfo& info = panel.tasks[task];
    const CutSummary cut = cut_summary(panel, std::vector<std::size_t>{task});
    table.add_row(
        std::vector<TableCell>{{.text = panel.title(task)},
                               {.text = std::to_string(cut.prompts)},
                               {.text = cut.prompts ? with_thousands(cut.median_in) : kDash},
                               {.text = cut.prompts ? with_thousands(cut.most_in) : kDash},
                               {.text = cut.prompts ? cut_text(cut) : kDash},
                               {.text = cut.cut ? with_thousands(cut.median_cut) : kDash},
                               {.text = info.truncation},
                               {.text = with_thousands(info.max_new)},
                               {.text = stop_range(panel, task)},
                               {.text = info.chat ? "yes" : "no"},
                               {.text = info.sample ? "shipped sample" : "data set"}});
  }
  return table;
}

std::vector<ScoreDifference> overall_differences(const AnswerPanel& panel) {
  if (panel.has_twins()) return {};  // no mean over two versions of a task
  std::vector<std::size_t> all(panel.tasks.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  return differences(panel, {all});
}

std::vector<ScoreDifference> task_differences(const AnswerPanel& panel) {
  std::vector<std::vector<std::size_t>> sets;
  for (std::size_t task = 0; task < panel.tasks.size(); ++task) sets.push_back({task});
  return differences(panel, sets);
}

Table score_differences_table(const AnswerPanel& panel, std::span<const ScoreDifference> rows,
                              const TaskClaims& claims, const std::string& caption, bool by_task) {
  Table table;
  table.caption = caption;
  table.header_columns = by_task ? 3 : 2;
  if (by_task) table.columns.push_back({"Task"});
  for (Column& column : std::vector<Column>{{"Policy"},
                                            {"Budget", Align::kRight},
                                            {"Δ points", Align::kRight},
                                            {"95 % interval", Align::kRight},
                                            {"p", Align::kRight},
                                            {"p (Holm)", Align::kRight},
                                            {"Detectable |Δ|", Align::kRight},
                                            {"Samples", Align::kRight},
                                            {"Documents", Align::kRight}}) {
    table.columns.push_back(std::move(column));
  }
  table.note(
      "Score minus the full cache's on the same samples; negative: something was lost. " +
      std::string(by_task ? "" : "Mean over tasks with equal weights. ") +
      "Interval clustered by document. p: two-sided sign-flip permutation over documents, Holm's "
      "adjustment over the " +
      counted(rows.size(), "row") +
      " of this table. Detectable |Δ|: found with 80 % power at the 5 % level, given the spread "
      "seen.");
  for (const ScoreDifference& row : rows) {
    const AnswerColumn& column = panel.columns[row.a];
    std::vector<TableCell> cells;
    if (by_task) cells.push_back({.text = panel.title(row.tasks.front())});
    cells.push_back({.text = claims.policy_label(column), .detail = "(" + column.policy + ")"});
    cells.push_back({.text = column.budget ? with_thousands(*column.budget) : kDash});
    TableCell delta{.text = signed_fixed(row.delta.value, 2)};
    if (row.delta.value > 0 && row.p_holm < 0.05) {
      delta.notes.push_back(table.note(
          "Keeping less is better than keeping all, and not by chance: look at the answers before "
          "believing it."));
    }
    TableCell ends{.text = signed_interval(row.delta)};
    if (!row.delta.standard_error) {
      ends.notes.push_back(
          table.note(by_task ? "A task with one document only: no interval, and no test can decide."
                             : "One of its tasks has one document only: no interval."));
    } else if (*row.delta.standard_error == 0) {
      ends.notes.push_back(table.note("No variance between documents: the interval is a point."));
    }
    TableCell p{.text = p_text(row.test.p_two_sided)};
    if (!row.test.exact) {
      p.notes.push_back(table.note("Monte Carlo over " +
                                   with_thousands(static_cast<std::int64_t>(kMonteCarloFlips)) +
                                   " sign patterns with a fixed seed"));
    }
    TableCell samples{.text = with_thousands(static_cast<std::int64_t>(row.delta.n))};
    if (row.partial) {
      const bool few = !by_task && row.tasks.size() < panel.tasks.size();
      samples.notes.push_back(table.note(
          few ? std::to_string(row.tasks.size()) + " of " + counted(panel.tasks.size(), "task")
              : "Not all samples are there yet, or the cells share only some."));
    }
    const auto detectable = row.delta.detectable();
    cells.push_back(std::move(delta));
    cells.push_back(std::move(ends));
    cells.push_back(std::move(p));
    cells.push_back({.text = p_text(row.p_holm)});
    cells.push_back({.text = detectable ? fixed(*detectable, 2) : kDash});
    cells.push_back(std::move(samples));
    cells.push_back({.text = with_thousands(static_cast<std::int64_t>(row.delta.clusters))});
    table.add_row(std::move(cells));
  }
  return table;
}

Table task_checks_table(std::span<const TaskClaimOutcome> outcomes) {
  Table table;
  table.caption = "The comparisons behind the verdicts";
  table.header_columns = 2;
  table.columns = {{"Claim"},
                   {"Task"},
                   {"Budget", Align::kRight},
                   {"Verdict"},
                   {"Compared"},
                   {"p", Align::kRight},
                   {"p (Holm)", Align::kRight},
                   {"Samples", Align::kRight},
                   {"Documents", Align::kRight}};
  table.note(
      "A verdict follows the measured value and the claim's own bound; p says whether the sample "
      "can tell the difference from none, not from that bound.");
  for (const TaskClaimOutcome& outcome : outcomes) {
    const std::size_t note = table.note("`" + outcome.claim.id + "`: " + outcome.claim.source +
                                        ". Tolerance: " + outcome.claim.tolerance_reason + ".");
    for (const TaskClaimCheck& check : outcome.checks) {
      const Tone tone =
          check.verdict == Verdict::kNotComparable ? Tone::kMuted : tone_of(check.verdict);
      const auto& d = check.difference;
      table.add_row(
          std::vector<TableCell>{{.text = outcome.claim.id, .notes = {note}},
                                 {.text = check.task.empty() ? kDash : check.task},
                                 {.text = check.budget ? with_thousands(*check.budget) : kDash},
                                 {.text = std::string(to_string(check.verdict)), .tone = tone},
                                 {.text = check.numbers},
                                 {.text = d ? p_text(d->test.p_two_sided) : kDash},
                                 {.text = d ? p_text(d->p_holm) : kDash},
                                 {.text = d ? std::to_string(d->delta.n) : kDash},
                                 {.text = d ? std::to_string(d->delta.clusters) : kDash}});
    }
  }
  return table;
}

Table tidy_scores(std::span<const AnswerPanel> panels) {
  Table table;
  for (const char* name : {"benchmark",
                           "group",
                           "task",
                           "metric",
                           "model",
                           "length",
                           "schedule",
                           "positions",
                           "dtype",
                           "kv_dtype",
                           "seed",
                           "policy",
                           "budget",
                           "status",
                           "reason",
                           "samples",
                           "samples_wanted",
                           "documents",
                           "score",
                           "score_stderr",
                           "score_low",
                           "score_high",
                           "ended_by_length",
                           "kv_bytes",
                           "cell_key"}) {
    table.columns.push_back({name});
  }
  for (const AnswerPanel& panel : panels) {
    const Settings& s = panel.settings;
    for (const AnswerCell& cell : panel.cells) {
      const AnswerTaskInfo& task = panel.tasks[cell.task];
      const AnswerColumn& column = panel.columns[cell.column];
      std::vector<std::string> row{panel.benchmark,
                                   task.group,
                                   task.name,
                                   task.metric,
                                   s.model,
                                   std::to_string(s.length),
                                   s.schedule,
                                   s.positions,
                                   s.dtype,
                                   s.kv_dtype,
                                   std::to_string(s.seed),
                                   column.policy,
                                   column.budget ? std::to_string(*column.budget) : "",
                                   store::to_string(cell.status),
                                   cell.reason,
                                   std::to_string(cell.samples.size()),
                                   std::to_string(cell.wanted)};
      if (cell.usable()) {
        const Points points = task_points(task, cell.samples);
        const auto ends = points.ends();
        std::vector<const AnswerSample*> samples;
        double bytes = 0;
        for (const AnswerSample& sample : cell.samples) {
          samples.push_back(&sample);
          bytes += static_cast<double>(sample.kv_bytes) / static_cast<double>(cell.samples.size());
        }
        for (std::string text :
             {std::to_string(points.clusters), exact_text(points.value),
              optional_exact(points.standard_error), ends ? exact_text(ends->low) : "",
              ends ? exact_text(ends->high) : "", exact_text(ended_by_length(samples)),
              exact_text(bytes)}) {
          row.push_back(std::move(text));
        }
      }
      row.resize(table.columns.size() - 1);
      row.push_back(cell.key);
      table.add_row(std::move(row));
    }
  }
  return table;
}

}  // namespace lethe::reports
