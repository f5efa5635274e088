// SPDX-License-Identifier: Apache-2.0
// Tables of scores: by task, by length, over the full cache's.
#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <numeric>

#include "harness/base/names.h"
#include "harness/base/text.h"
#include "reports/answer_tables.h"
#include "reports/numbers.h"

namespace lethe::reports {
namespace {

constexpr const char* kDash = "–";

struct Bucket {
  const char* name;
  std::int64_t from;
  std::int64_t below;
};
constexpr std::array<Bucket, 3> kBuckets{
    {{"0-4k", 0, 4000}, {"4-8k", 4000, 8000}, {"8k+", 8000, INT64_MAX}}};

std::string interval_text(const Points& points) {
  const auto ends = points.ends();
  return ends ? "[" + fixed(ends->low, 1) + ", " + fixed(ends->high, 1) + "]" : "";
}

/// numpy.round(value, 2) as a text: halves to even after the product.
std::string numpy_text(double points) {
  return fixed(std::nearbyint(points * 100.0) / 100.0, 2);
}

/// One column per policy and budget from `first` on; budgets of a policy share a heading.
void add_score_columns(Table& table, const AnswerPanel& panel, const TaskClaims& claims,
                       bool with_full) {
  for (const AnswerColumn& column : panel.columns) {
    if (column.full() && !with_full) continue;
    if (!column.budget) {
      table.columns.push_back({claims.label(column), Align::kRight});
      continue;
    }
    table.columns.push_back({with_thousands(*column.budget), Align::kRight,
                             claims.policy_label(column), claims.label(column)});
  }
}

TableCell missing_cell(Table& table, const AnswerCell* cell) {
  const std::string why = cell ? describe_missing(cell->status, cell->reason, cell->samples.size(),
                                                  cell->wanted, "score")
                               : describe_no_cell();
  return {.text = kDash, .notes = {table.note(why)}, .tone = Tone::kMuted};
}

void note_samples(Table& table, TableCell& out, const AnswerCell& cell) {
  if (cell.partial()) {
    out.notes.push_back(table.note(std::to_string(cell.samples.size()) + " of " +
                                   std::to_string(cell.wanted) + " samples so far (" +
                                   store::to_string(cell.status) + ")"));
  }
  const auto without = static_cast<std::size_t>(
      std::count_if(cell.samples.begin(), cell.samples.end(),
                    [](const AnswerSample& sample) { return !sample.score; }));
  if (without > 0) {
    out.notes.push_back(table.note(counted(without, "answer") +
                                   " without a score, where the owner's program raises an "
                                   "exception: not counted"));
  }
}

/// Where the metric's official form and the one without Python's recursion limit part: the latter,
/// for every column of a task.
std::string unbounded_text(const AnswerPanel& panel, const TaskClaims& claims, std::size_t task) {
  std::vector<std::string> parts;
  std::size_t parted = 0;
  for (std::size_t column = 0; column < panel.columns.size(); ++column) {
    const AnswerCell* cell = panel.usable(task, column);
    if (!cell) continue;
    double sum = 0;
    std::size_t scored = 0;
    for (const AnswerSample& sample : cell->samples) {
      if (!sample.score || !sample.unbounded) continue;
      sum += *sample.unbounded;
      parted += std::abs(*sample.unbounded - *sample.score) > 1e-12;
      ++scored;
    }
    if (scored == 0) continue;
    parts.push_back(claims.label(panel.columns[column]) + " " +
                    points_text(100 * sum / static_cast<double>(scored)));
  }
  if (parted == 0) return "";
  return panel.title(task) +
         " without Python's recursion limit, at which the official program gives an answer 0 (" +
         counted(parted, "answer") + " here): " + join(parts, ", ");
}

void note_spread(Table& table, TableCell& out, const Points& points) {
  if (!points.standard_error) {
    out.notes.push_back(table.note("One document only: no interval can be given."));
  } else if (*points.standard_error == 0) {
    out.notes.push_back(table.note("No variance between documents: the interval is a point."));
  }
}

TableCell score_cell(Table& table, const AnswerPanel& panel, std::size_t task, std::size_t column) {
  const AnswerCell* cell = panel.find(task, column);
  if (!cell || !cell->usable()) return missing_cell(table, cell);
  const AnswerTaskInfo& info = panel.tasks[task];
  const Points points = task_points(info, cell->samples);
  TableCell out{.text = points_text(points.value), .detail = interval_text(points)};
  note_samples(table, out, *cell);
  note_spread(table, out, points);
  if (outside_band(info, cell->samples)) {
    out.notes.push_back(table.note("Outside the band " + fixed(100 * info.band->low, 1) + " to " +
                                   fixed(100 * info.band->high, 1) +
                                   " in which scores of this task lie: look at the answers"));
    out.tone = Tone::kBad;
  }
  return out;
}

TableCell strong_cell(const Points& mean) {
  return {.text = points_text(mean.value),
          .detail = interval_text(mean),
          .notes = {},
          .tone = Tone::kStrong};
}

/// No mean: some of its parts are missing.
TableCell too_few_cell(std::size_t found, std::size_t wanted, const std::string& noun) {
  return {.text = kDash,
          .detail = std::to_string(found) + " of " + counted(wanted, noun),
          .notes = {},
          .tone = Tone::kMuted};
}

/// No mean: it would mix versions of a task.
TableCell twins_cell(Table& table) {
  return {.text = kDash,
          .notes = {table.note("A task stands here in several versions: no mean over both")},
          .tone = Tone::kMuted};
}

/// Mean over some tasks of what `value` gives; a dash that says how many there are where one has
/// none.
TableCell mean_cell(Table& table, const AnswerPanel& panel, std::span<const std::size_t> tasks,
                    const std::function<std::optional<Points>(std::size_t)>& value,
                    std::vector<Points>* means = nullptr) {
  std::vector<Points> found;
  bool twins = false;
  for (const std::size_t task : tasks) {
    twins = twins || panel.has_twin(task);
    if (auto points = value(task)) found.push_back(*points);
  }
  if (twins) return twins_cell(table);
  if (found.size() < tasks.size()) return too_few_cell(found.size(), tasks.size(), "task");
  const Points mean = mean_points(found);
  if (means) means->push_back(mean);
  return strong_cell(mean);
}

std::optional<Points> points_at(const AnswerPanel& panel, std::size_t task, std::size_t column) {
  const AnswerCell* cell = panel.usable(task, column);
  if (!cell) return std::nullopt;
  return task_points(panel.tasks[task], cell->samples);
}

std::string samples_text(const AnswerPanel& panel, std::size_t task) {
  std::size_t most = 0;
  for (const AnswerCell& cell : panel.cells) {
    if (cell.task == task) most = std::max(most, cell.samples.size());
  }
  return with_thousands(static_cast<std::int64_t>(most));
}

std::vector<std::size_t> all_tasks(const AnswerPanel& panel) {
  std::vector<std::size_t> tasks(panel.tasks.size());
  std::iota(tasks.begin(), tasks.end(), std::size_t{0});
  return tasks;
}

/// Tokens of an answer, at most, over all tasks.
std::int64_t longest_answer(const AnswerPanel& panel) {
  std::int64_t most = 0;
  for (const AnswerTaskInfo& task : panel.tasks) most = std::max(most, task.max_new);
  return most;
}

/// Title and metric of a task, with its group where no row of its own names it.
TableCell task_cell(const AnswerPanel& panel, std::size_t task, bool with_group) {
  const AnswerTaskInfo& info = panel.tasks[task];
  TableCell cell{.text = panel.title(task), .detail = info.metric};
  if (with_group && !info.group.empty()) cell.detail = info.group + ", " + cell.detail;
  return cell;
}

}  // namespace

std::string points_text(double points) {
  return fixed(points, 2);
}

Table score_table(const AnswerPanel& panel, const TaskClaims& claims) {
  Table table;
  table.caption = panel.name() + ": scores by task and policy, 0 to 100";
  table.columns = {{"Task"}, {"n", Align::kRight}};
  add_score_columns(table, panel, claims, true);
  table.note(
      "Columns are policies by cache budget: tokens kept per layer. Scores are those of the "
      "benchmark's own program, times 100, rounded as it does; below them 95 % intervals over "
      "documents (Student's t below " +
      std::to_string(kManyClusters) +
      " documents, normal from there), not cut at 0 and 100. n: samples.");
  const bool input_cut =
      std::any_of(panel.columns.begin(), panel.columns.end(),
                  [](const AnswerColumn& column) { return column.policy == "truncate"; });
  if (input_cut) {
    table.note(
        claims.label("truncate") +
        ": the input was cut to so many tokens, prompt included, and all of it kept; up to " +
        counted(static_cast<std::size_t>(longest_answer(panel)), "token") +
        " of the answer come on top.");
  }
  const auto at = [&](std::size_t column) {
    return [&panel, column](std::size_t task) { return points_at(panel, task, column); };
  };
  const auto groups = panel.groups();
  std::vector<std::vector<Points>> group_means(panel.columns.size());
  for (const auto& [name, tasks] : groups) {
    std::vector<TableCell> means{{.text = name.empty() ? "Others" : name,
                                  .detail = "mean of " + counted(tasks.size(), "task")},
                                 {.text = ""}};
    for (std::size_t column = 0; column < panel.columns.size(); ++column) {
      means.push_back(mean_cell(table, panel, tasks, at(column), &group_means[column]));
    }
    const bool has_row = tasks.size() > 1 && groups.size() > 1;
    if (has_row) table.add_row(std::move(means));
    for (const std::size_t task : tasks) {
      std::vector<TableCell> row{task_cell(panel, task, !has_row),
                                 {.text = samples_text(panel, task)}};
      if (const auto text = unbounded_text(panel, claims, task); !text.empty()) {
        row[0].notes.push_back(table.note(text));
      }
      for (std::size_t column = 0; column < panel.columns.size(); ++column) {
        row.push_back(score_cell(table, panel, task, column));
      }
      table.add_row(std::move(row));
    }
  }
  if (panel.tasks.size() < 2) return table;
  if (groups.size() > 1 && groups.size() < panel.tasks.size()) {
    std::vector<TableCell> row{
        {.text = "Overall",
         .detail = "mean of " + counted(groups.size(), "group"),
         .notes = {table.note("Mean of the groups' means, as \"Overall\" in the LongBench paper "
                              "(arXiv 2308.14508); all languages together.")}},
        {.text = ""}};
    for (const auto& means : group_means) {
      row.push_back(means.size() == groups.size()
                        ? strong_cell(mean_points(means))
                        : too_few_cell(means.size(), groups.size(), "group"));
    }
    table.add_row(std::move(row));
  }
  std::vector<TableCell> row{
      {.text = "All tasks",
       .detail = "mean of " + counted(panel.tasks.size(), "task"),
       .notes = {table.note("Equal weights, as in the NAMM paper (arXiv 2410.13166). Tasks count "
                            "as independent in the intervals of means.")}},
      {.text = ""}};
  const auto tasks = all_tasks(panel);
  for (std::size_t column = 0; column < panel.columns.size(); ++column) {
    row.push_back(mean_cell(table, panel, tasks, at(column)));
  }
  table.add_row(std::move(row));
  return table;
}

Table normalised_table(const AnswerPanel& panel, const TaskClaims& claims) {
  Table table;
  table.caption = panel.name() + ": scores over those of the full cache";
  table.columns = {{"Task"}, {"Full cache", Align::kRight}};
  add_score_columns(table, panel, claims, false);
  const auto full = panel.full();
  if (!full || panel.columns.size() < 2) return table;
  table.note(
      "Normalised performance of the NAMM paper (arXiv 2410.13166): the mean over tasks of score / "
      "score of the full cache. Tasks with small scores dominate such a mean: read it beside the "
      "scores.");
  std::vector<std::vector<double>> ratios(panel.columns.size());
  for (std::size_t task = 0; task < panel.tasks.size(); ++task) {
    const auto base = points_at(panel, task, *full);
    std::vector<TableCell> row{task_cell(panel, task, true),
                               {.text = base ? points_text(base->value) : kDash}};
    for (std::size_t column = 0; column < panel.columns.size(); ++column) {
      if (column == *full) continue;
      const auto own = points_at(panel, task, column);
      if (!base || !own) {
        row.push_back(missing_cell(table, panel.find(task, base ? column : *full)));
      } else if (base->value <= 0) {
        row.push_back({.text = kDash,
                       .notes = {table.note("The full cache scores 0: there is no ratio.")},
                       .tone = Tone::kMuted});
      } else {
        ratios[column].push_back(own->value / base->value);
        row.push_back({.text = fixed(ratios[column].back(), 3)});
      }
    }
    table.add_row(std::move(row));
  }
  std::vector<TableCell> row{{.text = "All tasks", .detail = "mean of the ratios"}, {.text = ""}};
  for (std::size_t column = 0; column < panel.columns.size(); ++column) {
    if (column == *full) continue;
    const auto& found = ratios[column];
    if (panel.has_twins()) {
      row.push_back(twins_cell(table));
      continue;
    }
    if (found.size() < panel.tasks.size()) {
      row.push_back(too_few_cell(found.size(), panel.tasks.size(), "task"));
      continue;
    }
    const double sum = std::accumulate(found.begin(), found.end(), 0.0);
    row.push_back({.text = fixed(sum / static_cast<double>(found.size()), 3),
                   .notes = {},
                   .tone = Tone::kStrong});
  }
  table.add_row(std::move(row));
  return table;
}

Table length_table(const AnswerPanel& panel, const TaskClaims& claims) {
  Table table;
  table.caption = panel.name() + ": scores by length of the record";
  table.header_columns = 2;
  table.columns = {{"Task"}, {"Words"}, {"n", Align::kRight}};
  add_score_columns(table, panel, claims, true);
  table.note(
      "Buckets and rounding of LongBench-E: length of the record in words (characters of Chinese "
      "ones) as the benchmark states it, before anything was cut.");
  const auto inside = [](const AnswerCell& cell, const Bucket& bucket) {
    std::vector<AnswerSample> out;
    for (const AnswerSample& sample : cell.samples) {
      if (!sample.score || !sample.words) continue;
      if (*sample.words >= bucket.from && *sample.words < bucket.below) out.push_back(sample);
    }
    return out;
  };
  std::vector<std::size_t> tasks;
  for (const AnswerCell& cell : panel.cells) {
    const bool known = std::any_of(cell.samples.begin(), cell.samples.end(),
                                   [](const AnswerSample& sample) { return sample.words; });
    if (known) tasks.push_back(cell.task);
  }
  std::sort(tasks.begin(), tasks.end());
  tasks.erase(std::unique(tasks.begin(), tasks.end()), tasks.end());
  // Means over tasks, by bucket and column: only where every task has records of such a length.
  std::vector<std::vector<std::vector<Points>>> found(
      kBuckets.size(), std::vector<std::vector<Points>>(panel.columns.size()));
  for (const std::size_t task : tasks) {
    bool named = false;
    for (std::size_t b = 0; b < kBuckets.size(); ++b) {
      std::vector<TableCell> row{{.text = ""}, {.text = kBuckets[b].name}, {.text = ""}};
      std::size_t most = 0;
      for (std::size_t column = 0; column < panel.columns.size(); ++column) {
        const AnswerCell* cell = panel.usable(task, column);
        const auto samples = cell ? inside(*cell, kBuckets[b]) : std::vector<AnswerSample>{};
        most = std::max(most, samples.size());
        if (samples.empty()) {
          row.push_back({.text = kDash, .tone = Tone::kMuted});
          continue;
        }
        Points points = task_points(panel.tasks[task], samples);
        if (panel.tasks[task].aggregate == ScoreAggregate::kMean) {
          // scorer_e() takes the mean first.
          double sum = 0;
          for (const AnswerSample& sample : samples) sum += *sample.score;
          points.value = 100 * (sum / static_cast<double>(samples.size()));
        }
        row.push_back({.text = numpy_text(points.value), .detail = interval_text(points)});
        found[b][column].push_back(points);
      }
      if (most == 0) continue;
      row[0].text = named ? "" : panel.title(task);
      row[2].text = std::to_string(most);
      named = true;
      table.add_row(std::move(row));
    }
  }
  const bool twins = std::any_of(tasks.begin(), tasks.end(),
                                 [&](std::size_t task) { return panel.has_twin(task); });
  for (std::size_t b = 0; b < kBuckets.size() && tasks.size() > 1 && !twins; ++b) {
    std::vector<TableCell> row{{.text = b == 0 ? "mean of " + counted(tasks.size(), "task") : ""},
                               {.text = kBuckets[b].name},
                               {.text = ""}};
    for (const auto& values : found[b]) {
      if (values.size() < tasks.size()) {
        row.push_back(too_few_cell(values.size(), tasks.size(), "task"));
      } else {
        row.push_back(strong_cell(mean_points(values)));
        row.back().text = numpy_text(mean_points(values).value);
      }
    }
    table.add_row(std::move(row));
  }
  return table;
}

}  // namespace lethe::reports
