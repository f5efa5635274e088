// SPDX-License-Identifier: Apache-2.0
#include "reports/rmt_tables.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "harness/base/names.h"
#include "harness/base/text.h"
#include "reports/numbers.h"
#include "reports/panel_text.h"

namespace lethe::reports {
namespace {

constexpr double kAlpha = 0.05;  // what the page tints

std::string points(double share) {
  return fixed(100 * share, 1);
}

std::string ends_text(const Accuracy& accuracy) {
  if (!accuracy.ends) return "";
  return "[" + points(std::max(0.0, accuracy.ends->low)) + ", " +
         points(std::min(1.0, accuracy.ends->high)) + "]";
}

std::string missing_text(const RmtCell* cell) {
  return cell ? describe_missing(cell->status, cell->reason, cell->samples.size(), cell->wanted,
                                 "score")
              : describe_no_cell();
}

TableCell dash(Table& table, const std::string& why) {
  return {.text = kDash, .notes = {table.note(why)}, .tone = Tone::kMuted};
}

/// "98.4", its interval below, and what a reader should know of it.
TableCell accuracy_cell(Table& table, const RmtCell* cell) {
  const auto accuracy = cell ? cell->accuracy() : std::nullopt;
  if (!accuracy) return dash(table, missing_text(cell));
  TableCell out{.text = points(accuracy->share), .detail = ends_text(*accuracy)};
  if (cell->partial()) {
    out.notes.push_back(table.note(std::to_string(cell->samples.size()) + " of " +
                                   std::to_string(cell->wanted) + " samples so far (" +
                                   store::to_string(cell->status) + ")"));
  }
  if (!accuracy->correct) {
    out.notes.push_back(table.note("Scores between 0 and 1: the interval is Student's t."));
  }
  return out;
}

/// "seed 1"; the model's name where that does not tell it from the others.
std::string column_name(const RmtGroup& group, const RmtLine& line) {
  const auto same = [&](const RmtLine& other) { return other.model.seed == line.model.seed; };
  if (!line.model.seed || std::count_if(group.lines.begin(), group.lines.end(), same) > 1) {
    return line.model.name;
  }
  return "seed " + std::to_string(*line.model.seed);
}

std::string model_names(const RmtGroup& group) {
  std::vector<std::string> names;
  for (const RmtLine& line : group.lines) names.push_back(line.model.name);
  return join(names, ", ");
}

/// What tells a recipe from others of as many trained segments.
std::string recipe_name(const RmtModel& model) {
  std::string name = model.recipe.empty() ? "not recorded" : model.recipe;
  if (model.trained_confusers) {
    name += ", " + exact_text(100 * *model.trained_confusers) + " % confusers";
  }
  return name;
}

/// "64", "48 to 64": samples with a score, over the models.
std::string samples_text(const RmtGroup& group, std::int64_t length) {
  std::set<std::size_t> found;
  for (const RmtLine& line : group.lines) {
    const RmtCell* cell = line.at(length);
    const auto accuracy = cell ? cell->accuracy() : std::nullopt;
    if (accuracy) found.insert(accuracy->n);
  }
  if (found.empty()) return "0";
  return (found.size() > 1 ? std::to_string(*found.begin()) + " to " : "") +
         std::to_string(*found.rbegin());
}

std::string segments_text(const RmtGroup& group, std::int64_t length) {
  const auto segments = group.segments(length);
  return segments ? with_thousands(*segments) : kDash;
}

std::vector<std::int64_t> lengths_of(std::span<const RmtGroup* const> groups) {
  std::set<std::int64_t> lengths;
  for (const RmtGroup* group : groups) {
    for (const std::int64_t length : group->lengths()) lengths.insert(length);
  }
  return {lengths.begin(), lengths.end()};
}

/// Segments at a length where the groups agree on them, else the length in tokens.
std::string length_name(std::span<const RmtGroup* const> groups, std::int64_t length) {
  for (const RmtGroup* group : groups) {
    if (const auto segments = group->segments(length)) return with_thousands(*segments);
  }
  return with_thousands(length) + " tokens";
}

TableCell published_cell(Table& table, const RmtGroup& group, std::int64_t length,
                         const RmtClaims& claims) {
  const PublishedValue* value = claims.published(
      group.condition.task, group.model().trained_segments, group.segments(length));
  if (!value) return {.text = "", .tone = Tone::kMuted};
  table.note("Published, not measured here: " + claims.paper + " (arXiv " + claims.arxiv + "), " +
             claims.long_evaluation.place + " and " + claims.train_evaluation.place + ", " +
             claims.long_evaluation.model +
             ", trained on as many segments. Where its facts stood at evaluation cannot be told; "
             "its noise is one document repeated.");
  return {.text = fixed(value->value, 1), .tone = Tone::kMuted};
}

/// Names of the columns in which groups differ.
Column condition_column(const RmtGroup& group) {
  Column column{.name = {}, .align = Align::kRight, .group = group.condition.fact};
  std::vector<std::string> parts;
  if (group.condition.confusers) {
    parts.push_back(exact_text(100 * *group.condition.confusers) + " % confusers" +
                    (group.harder() ? " (more than trained)" : ""));
  }
  if (!group.condition.noise.empty()) parts.push_back(group.condition.noise);
  column.name = parts.empty() ? group.run_name : join(parts, ", ");
  if (!column.group.empty()) column.group = "fact: " + column.group;
  return column;
}

}  // namespace

TableCell rmt_mean_cell(Table& table, const RmtGroup& group, std::int64_t length) {
  const auto mean = group.mean(length);
  if (!mean) {
    const RmtCell* cell = nullptr;
    for (const RmtLine& line : group.lines) {
      if (!cell) cell = line.at(length);
    }
    return dash(table, missing_text(cell));
  }
  TableCell out{.text = points(mean->mean)};
  if (mean->models > 1) out.detail = points(mean->least) + " to " + points(mean->most);
  return out;
}

Table rmt_accuracy_table(const RmtGroup& group, const RmtClaims& claims) {
  Table table;
  table.caption = claims.label(group.condition.task) + ", accuracy in %";
  const std::string condition = group.condition.name();
  table.note("Test: " + (condition.empty() ? "" : condition + "; ") + group.run_name + "; policy " +
             group.policy + ". Models: " + model_names(group) + ", " + group.recipe() + ".");
  table.columns = {
      {"segments", Align::kRight}, {"tokens", Align::kRight}, {"n per model", Align::kRight}};
  for (const RmtLine& line : group.lines)
    table.columns.push_back({column_name(group, line), Align::kRight});
  const bool several = group.lines.size() > 1;
  if (several) table.columns.push_back({"mean", Align::kRight, "over models"});
  if (several) table.columns.push_back({"least to most", Align::kRight, "over models"});
  const bool published =
      std::any_of(claims.tasks.begin(), claims.tasks.end(),
                  [&](const auto& task) { return task.task == group.condition.task; });
  if (published) table.columns.push_back({"published", Align::kRight});
  table.note(
      "Below: 95 % intervals of one model's answers (Wilson). The spread over training seeds "
      "is another thing: least to most.");
  for (const std::int64_t length : group.lengths()) {
    std::vector<TableCell> row{
        {segments_text(group, length)}, {with_thousands(length)}, {samples_text(group, length)}};
    for (const RmtLine& line : group.lines) row.push_back(accuracy_cell(table, line.at(length)));
    if (several) {
      const auto mean = group.mean(length);
      row.push_back(mean ? TableCell{.text = points(mean->mean), .tone = Tone::kStrong}
                         : dash(table, missing_text(nullptr)));
      row.push_back({mean ? points(mean->least) + " to " + points(mean->most) : kDash});
    }
    if (published) row.push_back(published_cell(table, group, length, claims));
    table.add_row(std::move(row));
  }
  return table;
}

Table rmt_conditions_table(std::span<const RmtGroup* const> groups) {
  Table table;
  if (groups.size() < 2) return table;
  table.caption = "Accuracy by test condition, mean over models, in %";
  table.columns = {{"segments", Align::kRight}};
  std::vector<const RmtGroup*> sorted(groups.begin(), groups.end());
  std::stable_sort(sorted.begin(), sorted.end(), [](const RmtGroup* a, const RmtGroup* b) {
    return std::pair(a->condition.fact, a->condition.confusers) <
           std::pair(b->condition.fact, b->condition.confusers);
  });
  for (const RmtGroup* group : sorted) table.columns.push_back(condition_column(*group));
  table.note(
      "Below: least to most over models. `start`: carried over all borders; `segment`, "
      "`uniform`: over half of them in the mean.");
  for (const std::int64_t length : lengths_of(groups)) {
    std::vector<TableCell> row{{length_name(groups, length)}};
    for (const RmtGroup* group : sorted) row.push_back(rmt_mean_cell(table, *group, length));
    table.add_row(std::move(row));
  }
  return table;
}

Table rmt_recipes_table(std::span<const RmtGroup* const> groups) {
  Table table;
  if (groups.empty()) return table;
  const RmtGroup& first = *groups.front();
  std::vector<const RmtGroup*> same;
  for (const RmtGroup* group : groups) {
    if (group->condition == first.condition && group->run == first.run &&
        group->model().trained_segments == first.model().trained_segments) {
      same.push_back(group);
    }
  }
  if (same.size() < 2) return table;
  table.caption =
      "What a recipe is worth, mean over models, accuracy in %: " + first.condition.name();
  table.note("All: " + first.recipe() + ", but for what a row says. Below: least to most.");
  table.columns = {{"training"}, {"models", Align::kRight}};
  const auto lengths = lengths_of(same);
  for (const std::int64_t length : lengths) {
    table.columns.push_back({length_name(same, length), Align::kRight, "segments"});
  }
  for (const RmtGroup* group : same) {
    std::vector<TableCell> row{{recipe_name(group->model())},
                               {std::to_string(group->lines.size())}};
    for (const std::int64_t length : lengths) row.push_back(rmt_mean_cell(table, *group, length));
    table.add_row(std::move(row));
  }
  return table;
}

Table rmt_controls_table(std::span<const RmtControl> controls) {
  Table table;
  table.caption = "Controls that must fail: accuracy beside what the last segment alone gives";
  table.columns = {{"task"},
                   {"fact"},
                   {"control"},
                   {"model"},
                   {"segments", Align::kRight},
                   {"n", Align::kRight},
                   {"accuracy %", Align::kRight},
                   {"expected %", Align::kRight},
                   {"p", Align::kRight},
                   {"p (Holm)", Align::kRight},
                   {"in the last", Align::kRight, "right, by the fact's segment"},
                   {"before it", Align::kRight, "right, by the fact's segment"}};
  table.header_columns = 3;
  table.note(
      "Expected of a fact in a random one of n segments: 1/n + (1 − 1/n)/6; of one at the "
      "start: 1/6. Of another sample's memory the answer agrees by chance, one in six too.");
  table.note(
      "Exact two-sided binomial test of each row; Holm over all rows. A small p says that "
      "something else than the last segment was at work, or that it was not read.");
  for (const RmtControl& control : controls) {
    const auto right = [](std::size_t share, std::size_t all) {
      return all == 0 ? std::string(kDash) : std::to_string(share) + " of " + std::to_string(all);
    };
    table.add_row(std::vector<TableCell>{
        {control.group->condition.task},
        {control.group->condition.fact},
        {to_string(control.group->memory)},
        {control.line->model.name},
        {with_thousands(*control.cell->segments)},
        {std::to_string(control.accuracy.n)},
        {.text = points(control.accuracy.share), .detail = ends_text(control.accuracy)},
        {points(control.expected)},
        {p_text(control.p)},
        {.text = p_text(control.p_holm),
         .tone = control.p_holm < kAlpha ? Tone::kBad : Tone::kGood},
        {right(control.last_right, control.last)},
        {right(control.before_right, control.before)}});
  }
  return table;
}

Table rmt_tidy_table(const RmtResults& results) {
  Table table;
  table.columns = {{"task"},
                   {"fact"},
                   {"confusers"},
                   {"noise"},
                   {"model"},
                   {"seed"},
                   {"trained_segments"},
                   {"trained_confusers"},
                   {"policy"},
                   {"budget"},
                   {"run"},
                   {"length"},
                   {"segments"},
                   {"samples"},
                   {"correct"},
                   {"accuracy"},
                   {"low"},
                   {"high"},
                   {"seconds_per_sample"},
                   {"ms_per_sample_and_segment"},
                   {"state_bytes"},
                   {"peak_bytes"},
                   {"status"},
                   {"cell_key"}};
  const auto number = [](const std::optional<double>& value) {
    return value && std::isfinite(*value) ? exact_text(*value) : "";
  };
  const auto whole = [](const auto& value) { return value ? std::to_string(*value) : ""; };
  for (const RmtGroup& group : results.groups) {
    for (const RmtLine& line : group.lines) {
      for (const RmtCell& cell : line.cells) {
        const auto accuracy = cell.accuracy();
        std::string low, high;
        if (accuracy && accuracy->ends) {
          low = exact_text(accuracy->ends->low);
          high = exact_text(accuracy->ends->high);
        }
        const auto if_any = [&](double value) { return cell.samples.empty() ? "" : number(value); };
        table.add_row(std::vector<std::string>{group.condition.task,
                                               group.condition.fact,
                                               number(group.condition.confusers),
                                               group.condition.noise,
                                               line.model.name,
                                               whole(line.model.seed),
                                               whole(line.model.trained_segments),
                                               number(line.model.trained_confusers),
                                               group.policy,
                                               whole(group.budget),
                                               group.run_name,
                                               std::to_string(cell.length),
                                               whole(cell.segments),
                                               std::to_string(accuracy ? accuracy->n : 0),
                                               accuracy ? whole(accuracy->correct) : "",
                                               accuracy ? exact_text(accuracy->share) : "",
                                               low,
                                               high,
                                               if_any(cell.seconds_per_sample()),
                                               if_any(1000 * cell.seconds_per_segment()),
                                               std::to_string(cell.most(&RmtSample::state_bytes)),
                                               std::to_string(cell.most(&RmtSample::peak_bytes)),
                                               store::to_string(cell.status),
                                               cell.key});
      }
    }
  }
  return table;
}

}  // namespace lethe::reports
