// SPDX-License-Identifier: Apache-2.0
#include "reports/panel_text.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "harness/base/text.h"
#include "reports/numbers.h"

namespace lethe::reports {
namespace {

constexpr double kRounding = 1e-14;  // of equal numbers summed

}  // namespace

std::string panel_name(const Panel& panel, std::span<const Panel> all) {
  const Settings& s = panel.settings;
  std::string name = s.task + ", " + s.model + ", " + with_thousands(s.length) + " tokens, " +
                     s.schedule + ", " + s.positions + " positions, " + s.dtype;
  if (s.kv_dtype != "same") name += ", KV " + s.kv_dtype;
  name += ", seed " + std::to_string(s.seed);
  const auto twins = std::count_if(all.begin(), all.end(), [&](const Panel& other) {
    Settings twin = other.settings;
    twin.variant = s.variant;
    return twin == s;
  });
  // Equal on every axis, different in other inputs of the key (data, weights, engine version).
  if (twins > 1) name += ", cells like " + panel.cells.front().key.substr(0, 8);
  return name;
}

Facts panel_facts(const Panel& panel) {
  const Settings& s = panel.settings;
  std::set<std::string> books;
  std::set<std::string> samples;
  std::set<std::int64_t> tokens;
  std::int64_t wanted = 0;
  std::size_t complete = 0;
  for (const CellResult& cell : panel.cells) {
    for (const SampleValue& sample : cell.samples) {
      books.insert(sample.cluster);
      samples.insert(sample.id);
    }
    if (!cell.samples.empty()) tokens.insert(cell.tokens());
    wanted = std::max(wanted, cell.wanted);
    complete += cell.status == store::CellStatus::kDone && !cell.partial();
  }
  std::string token_text = "none";
  if (!tokens.empty()) token_text = with_thousands(*tokens.begin());
  if (tokens.size() > 1) token_text += " to " + with_thousands(*tokens.rbegin());
  return {
      {{"Model", s.model},
       {"Task", s.task},
       {"Length", with_thousands(s.length) + " tokens"},
       {"Books", std::to_string(books.size())},
       {"Samples", std::to_string(samples.size()) + " of " + std::to_string(wanted)},
       {"Tokens scored per cell", token_text},
       {"Cells complete", std::to_string(complete) + " of " + std::to_string(panel.cells.size())},
       {"Schedule", s.schedule},
       {"Positions", s.positions},
       {"Number format", s.dtype + (s.kv_dtype == "same" ? "" : ", KV " + s.kv_dtype)},
       {"Seed", std::to_string(s.seed)}}};
}

std::string budget_text(const std::optional<std::int64_t>& budget) {
  return budget ? with_thousands(*budget) : kDash;
}

TableCell missing_cell(Table& table, const CellResult* cell) {
  return {.text = kDash, .notes = {table.note(describe_missing(cell))}, .tone = Tone::kMuted};
}

void note_partial(Table& table, TableCell& out, const CellResult& cell) {
  if (!cell.partial()) return;
  out.notes.push_back(table.note(std::to_string(cell.samples.size()) + " of " +
                                 std::to_string(cell.wanted) + " samples so far (" +
                                 store::to_string(cell.status) + ")"));
}

void note_limits(Table& table, TableCell& out, const CellResult& cell, const Estimate& estimate) {
  note_partial(table, out, cell);
  if (!estimate.standard_error) {
    out.notes.push_back(table.note("One book only: no interval can be given."));
  } else if (*estimate.standard_error <= kRounding * std::abs(estimate.mean)) {
    out.notes.push_back(table.note("No variance between books: the interval is a point."));
  }
}

}  // namespace lethe::reports
