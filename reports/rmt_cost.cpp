// SPDX-License-Identifier: Apache-2.0
// What remembering costs: bytes, seconds, and recurrent memory beside eviction on the same tasks.
#include <algorithm>
#include <cmath>
#include <set>

#include "harness/base/text.h"
#include "reports/numbers.h"
#include "reports/panel_text.h"
#include "reports/rmt_tables.h"

namespace lethe::reports {
namespace {

constexpr double kKiB = 1024;

/// Mean over the cells of a group at one length, and their largest bytes.
struct Cost {
  double seconds = 0;                  ///< per sample
  double milliseconds = std::nan("");  ///< per sample and segment
  std::int64_t state = 0;
  std::int64_t peak = 0;
  std::int64_t resident = 0;
};

std::optional<Cost> cost_of(const RmtGroup& group, std::int64_t length) {
  Cost cost;
  double count = 0;
  for (const RmtLine& line : group.lines) {
    const RmtCell* cell = line.at(length);
    if (!cell || cell->samples.empty()) continue;
    cost.seconds += cell->seconds_per_sample();
    cost.state = std::max(cost.state, cell->most(&RmtSample::state_bytes));
    cost.peak = std::max(cost.peak, cell->most(&RmtSample::peak_bytes));
    cost.resident = std::max(cost.resident, cell->most(&RmtSample::resident_bytes));
    count += 1;
  }
  if (count == 0) return std::nullopt;
  cost.seconds /= count;
  if (const auto segments = group.segments(length)) {
    cost.milliseconds = 1000 * cost.seconds / static_cast<double>(*segments);
  }
  return cost;
}

std::string bytes_text(std::int64_t bytes) {
  return bytes == 0 ? kDash : human_bytes(static_cast<double>(bytes));
}

std::string segments_text(const RmtGroup& group, std::int64_t length) {
  const auto segments = group.segments(length);
  return segments ? with_thousands(*segments) : kDash;
}

bool evicts(const RmtGroup& group) {
  return group.memory == RmtMemory::kEviction;
}

/// "rmt-detect-1 and 2 more".
std::string model_text(const RmtGroup& group) {
  const std::size_t others = group.lines.size() - 1;
  return group.model().name + (others == 0 ? "" : " and " + std::to_string(others) + " more");
}

/// Those whose cost is shown: the headline of every task.
std::vector<const RmtGroup*> shown(const RmtResults& results) {
  std::vector<const RmtGroup*> found;
  for (const std::string& task : results.tasks()) {
    const auto plain = results.plain(task);
    if (!plain.empty()) found.push_back(plain.front());
  }
  return found;
}

bool has_evictions(const RmtResults& results, const std::string& task) {
  return std::any_of(results.groups.begin(), results.groups.end(), [&](const RmtGroup& group) {
    return group.condition.task == task && evicts(group);
  });
}

}  // namespace

Table rmt_cost_table(const RmtResults& results, const RmtClaims& claims) {
  Table table;
  table.caption = "Memory and time against length, mean over models";
  table.columns = {{"task"},
                   {"segments", Align::kRight},
                   {"tokens", Align::kRight},
                   {"memory tokens", Align::kRight},
                   {"carried", Align::kRight},
                   {"peak", Align::kRight},
                   {"process", Align::kRight},
                   {"s per sample", Align::kRight},
                   {"ms per segment", Align::kRight},
                   {"tokens per s", Align::kRight}};
  table.header_columns = 2;
  table.note(
      "Carried: what passes from a segment to the next. Peak: largest live bytes of a sample "
      "that the program counts. Process: all that the worker holds at the end of a sample. Times "
      "of a sample alone, everything in it; other work on the "
      "machine is in them. A dash: not measured.");
  for (const RmtGroup* group : shown(results)) {
    for (const std::int64_t length : group->lengths()) {
      const auto cost = cost_of(*group, length);
      if (!cost) continue;
      const bool timed = cost->seconds > 0;
      table.add_row(std::vector<std::string>{
          claims.label(group->condition.task), segments_text(*group, length),
          with_thousands(length), budget_text(group->budget), bytes_text(cost->state),
          bytes_text(cost->peak), bytes_text(cost->resident),
          timed ? fixed(cost->seconds, 3) : kDash,
          timed && std::isfinite(cost->milliseconds) ? fixed(cost->milliseconds, 2) : kDash,
          timed ? with_thousands(std::llround(static_cast<double>(length) / cost->seconds))
                : kDash});
    }
  }
  return table;
}

Table rmt_comparison_table(const RmtResults& results) {
  Table table;
  table.caption = "Recurrent memory beside eviction, the same task";
  table.columns = {{"task"},
                   {"policy"},
                   {"model"},
                   {"text"},
                   {"tokens kept", Align::kRight},
                   {"input tokens", Align::kRight},
                   {"accuracy %", Align::kRight},
                   {"n per model", Align::kRight},
                   {"bytes kept", Align::kRight},
                   {"s per sample", Align::kRight}};
  table.header_columns = 2;
  for (const std::string& task : results.tasks()) {
    if (!has_evictions(results, task)) continue;
    std::vector<const RmtGroup*> rows = results.plain(task);
    for (const RmtGroup& group : results.groups) {
      if (group.condition.task == task && evicts(group)) rows.push_back(&group);
    }
    for (const RmtGroup* group : rows) {
      for (const std::int64_t length : group->lengths()) {
        const auto mean = group->mean(length);
        const auto cost = cost_of(*group, length);
        table.add_row(
            std::vector<TableCell>{{task},
                                   {group->policy},
                                   {model_text(*group)},
                                   {group->condition.name()},
                                   {budget_text(group->budget)},
                                   {with_thousands(length)},
                                   rmt_mean_cell(table, *group, length),
                                   {mean ? std::to_string(mean->samples) : "0"},
                                   {cost ? bytes_text(cost->state) : kDash},
                                   {cost && cost->seconds > 0 ? fixed(cost->seconds, 3) : kDash}});
      }
    }
  }
  if (table.rows.empty()) return {};
  table.note(
      "Tokens kept: memory tokens of the recurrent model, tokens per layer of the others. The "
      "models and their texts are not the same: a trained specialist beside a general model "
      "that was never trained for the task.");
  return table;
}

PlotFigure rmt_cost_figure(const RmtResults& results, const RmtClaims& claims,
                           const std::string& name) {
  PlotFigure figure{name, "Memory and time against length", {}};
  PlotPanel memory{.title = "carried from segment to segment",
                   .x_label = "segments",
                   .y_label = "KiB",
                   .series = {},
                   .level = {},
                   .from_zero = true};
  PlotPanel time{.title = "time of a sample by its segments",
                 .x_label = "segments",
                 .y_label = "ms per segment",
                 .series = {},
                 .level = {},
                 .from_zero = true};
  for (const RmtGroup* group : shown(results)) {
    const std::string label = claims.label(group->condition.task);
    PlotSeries bytes{label, memory.series.size(), {}};
    PlotSeries milliseconds{label, memory.series.size(), {}};
    for (const std::int64_t length : group->lengths()) {
      const auto cost = cost_of(*group, length);
      const auto segments = group->segments(length);
      if (!cost || !segments) continue;
      const auto x = static_cast<double>(*segments);
      if (cost->state > 0)
        bytes.points.push_back({x, static_cast<double>(cost->state) / kKiB, {}, {}});
      if (std::isfinite(cost->milliseconds) && cost->milliseconds > 0) {
        milliseconds.points.push_back({x, cost->milliseconds, {}, {}});
      }
    }
    if (!bytes.points.empty()) memory.series.push_back(std::move(bytes));
    if (!milliseconds.points.empty()) time.series.push_back(std::move(milliseconds));
  }
  for (PlotPanel* panel : {&memory, &time}) {
    if (!panel->series.empty()) figure.panels.push_back(std::move(*panel));
  }
  return figure;
}

}  // namespace lethe::reports
