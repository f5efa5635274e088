// SPDX-License-Identifier: Apache-2.0
// Published results of other set-ups as tables: nothing of them is measured here.
#include <algorithm>
#include <functional>

#include "harness/base/text.h"
#include "reports/numbers.h"
#include "reports/rmt_tables.h"

namespace lethe::reports {
namespace {

/// A column of coordinates; left out where no value has it.
struct Coordinate {
  Column column;
  std::function<std::string(const PublishedValue&)> text;
};

std::string whole(const std::optional<std::int64_t>& value) {
  return value ? with_thousands(*value) : "";
}

std::vector<Coordinate> coordinates(const PublishedTable& published) {
  return {
      {{"task"}, [](const PublishedValue& value) { return value.task; }},
      {{"model"},
       [&](const PublishedValue& value) {
         return value.model == published.model ? std::string() : value.model;
       }},
      {{"system"}, [](const PublishedValue& value) { return value.policy; }},
      {{"memory or cache", Align::kRight},
       [](const PublishedValue& value) { return whole(value.budget); }},
      {{"length", Align::kRight}, [](const PublishedValue& value) { return whole(value.length); }},
      {{"trained on", Align::kRight},
       [](const PublishedValue& value) { return whole(value.train_segments); }},
      {{"segments", Align::kRight},
       [](const PublishedValue& value) { return whole(value.segments); }},
      {{"BPTT", Align::kRight}, [](const PublishedValue& value) { return whole(value.bptt); }},
      {{"setting"}, [](const PublishedValue& value) { return value.setting; }},
      {{"unit"}, [](const PublishedValue& value) { return value.unit; }}};
}

}  // namespace

Table rmt_reference_table(const PublishedTable& published) {
  Table table;
  table.caption = published.title + " — " + published.paper + " (arXiv " + published.arxiv + "), " +
                  published.place + "; not run here";
  std::vector<Coordinate> used;
  for (Coordinate& coordinate : coordinates(published)) {
    const bool any =
        std::any_of(published.values.begin(), published.values.end(),
                    [&](const auto& value) { return !coordinate.text(value).empty(); });
    if (any) used.push_back(std::move(coordinate));
  }
  for (const Coordinate& coordinate : used) table.columns.push_back(coordinate.column);
  table.header_columns = used.size();
  table.columns.push_back({published.unit.empty() ? "value" : published.unit, Align::kRight});
  for (const PublishedValue& value : published.values) {
    std::vector<TableCell> row;
    for (const Coordinate& coordinate : used) row.push_back({coordinate.text(value)});
    TableCell cell{.text = exact_text(value.value)};
    if (value.spread) cell.text += " ± " + exact_text(*value.spread);
    if (!value.suspect.empty()) {
      cell.notes.push_back(table.note("Probably a misprint: " + value.suspect));
    }
    if (!value.caution.empty()) cell.notes.push_back(table.note(value.caution));
    row.push_back(std::move(cell));
    table.add_row(std::move(row));
  }
  return table;
}

}  // namespace lethe::reports
