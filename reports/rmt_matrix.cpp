// SPDX-License-Identifier: Apache-2.0
// Accuracy by segments trained on and tested on, as Figure 5 of arXiv 2304.11062.
#include <algorithm>
#include <set>

#include "harness/base/text.h"
#include "reports/numbers.h"
#include "reports/panel_text.h"
#include "reports/rmt_tables.h"

namespace lethe::reports {
namespace {

/// Test lengths in segments, of all groups together.
std::vector<std::int64_t> tested_on(std::span<const RmtGroup* const> groups) {
  std::set<std::int64_t> found;
  for (const RmtGroup* group : groups) {
    for (const std::int64_t length : group->lengths()) {
      if (const auto segments = group->segments(length)) found.insert(*segments);
    }
  }
  return {found.begin(), found.end()};
}

std::optional<double> measured(const RmtGroup& group, std::int64_t segments) {
  const auto length = group.length_of(segments);
  const auto mean = length ? group.mean(*length) : std::nullopt;
  if (!mean) return std::nullopt;
  return 100 * mean->mean;
}

std::optional<double> published(const RmtGroup& group, const RmtClaims& claims,
                                std::int64_t segments) {
  const PublishedValue* value =
      claims.published(group.condition.task, group.model().trained_segments, segments);
  if (!value) return std::nullopt;
  return value->value;
}

}  // namespace

std::vector<const RmtGroup*> rmt_matrix_groups(const RmtResults& results, const std::string& task) {
  std::vector<const RmtGroup*> best;
  const auto all = results.carried(task);
  const std::string recipe = results.plain_recipe(task);
  for (const RmtGroup* first : all) {
    std::vector<const RmtGroup*> row;
    for (const RmtGroup* group : all) {
      const auto trained = group->model().trained_segments;
      const bool known = std::any_of(row.begin(), row.end(), [&](const RmtGroup* other) {
        return other->model().trained_segments == trained;
      });
      if (trained && !known && group->model().recipe == recipe &&
          group->condition == first->condition && group->run == first->run) {
        row.push_back(group);
      }
    }
    if (row.size() > best.size()) best = row;
  }
  if (best.size() < 2) return {};
  std::reverse(best.begin(), best.end());
  return best;
}

Table rmt_matrix_table(std::span<const RmtGroup* const> groups, const RmtClaims& claims) {
  Table table;
  if (groups.empty()) return table;
  const auto lengths = tested_on(groups);
  table.caption = claims.label(groups.front()->condition.task) +
                  ": accuracy in % by segments trained on (rows) and tested on (columns)";
  table.columns = {{"trained on", Align::kRight}, {"models", Align::kRight}};
  for (const std::int64_t segments : lengths) {
    table.columns.push_back({with_thousands(segments), Align::kRight, "tested on"});
  }
  table.note("Mean over models. Below: published, not measured here (" +
             claims.train_evaluation.place + " of arXiv " + claims.arxiv +
             "; of detect & memorise "
             "the maximum over 3 runs).");
  for (const RmtGroup* group : groups) {
    std::vector<TableCell> row{{std::to_string(*group->model().trained_segments)},
                               {std::to_string(group->lines.size())}};
    for (const std::int64_t segments : lengths) {
      const auto length = group->length_of(segments);
      TableCell cell = length ? rmt_mean_cell(table, *group, *length)
                              : TableCell{.text = kDash,
                                          .notes = {table.note(describe_no_cell())},
                                          .tone = Tone::kMuted};
      const auto paper = published(*group, claims, segments);
      cell.detail = paper ? fixed(*paper, 1) : "";
      row.push_back(std::move(cell));
    }
    table.add_row(std::move(row));
  }
  return table;
}

HeatMap rmt_matrix_map(std::span<const RmtGroup* const> groups, const RmtClaims& claims,
                       const std::string& name) {
  HeatMap map{.name = name,
              .title = "Accuracy by segments trained on and tested on",
              .x_label = "segments tested on",
              .y_label = "trained on",
              .columns = {},
              .rows = {},
              .panels = {},
              .low = 0,
              .high = 100};
  const auto lengths = tested_on(groups);
  for (const std::int64_t segments : lengths) map.columns.push_back(with_thousands(segments));
  HeatMap::Panel ours{claims.label(groups.front()->condition.task) + ": measured, mean over models",
                      {}};
  HeatMap::Panel theirs{"paper, " + claims.train_evaluation.model + ": not comparable", {}};
  bool any = false;
  for (const RmtGroup* group : groups) {
    map.rows.push_back(std::to_string(*group->model().trained_segments));
    std::vector<std::optional<double>> own, paper;
    for (const std::int64_t segments : lengths) {
      own.push_back(measured(*group, segments));
      paper.push_back(published(*group, claims, segments));
      any = any || paper.back();
    }
    ours.rows.push_back(std::move(own));
    theirs.rows.push_back(std::move(paper));
  }
  map.panels.push_back(std::move(ours));
  if (any) map.panels.push_back(std::move(theirs));
  return map;
}

}  // namespace lethe::reports
