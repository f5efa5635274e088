// SPDX-License-Identifier: Apache-2.0
// What every report says about a panel and about cells without numbers.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "reports/document.h"
#include "reports/perplexity_data.h"
#include "reports/table.h"

namespace lethe::reports {

/// Where a table has no number.
inline constexpr const char* kDash = "–";

/// "pg19, smollm2-135m, 2,048 tokens, exact, original positions, float32, seed 0", and where `all`
/// has panels of the same axes (other data, weights, options …) the beginning of a cell's key.
std::string panel_name(const Panel& panel, std::span<const Panel> all);

/// Model, task, length, what was measured of what was asked for, and the other axes.
Facts panel_facts(const Panel& panel);

std::string budget_text(const std::optional<std::int64_t>& budget);

/// A dash, and the reason in a footnote. A null pointer is a cell the database does not have.
TableCell missing_cell(Table& table, const CellResult* cell);

/// Footnotes that a cell with numbers may need: samples are missing, no interval or an empty one.
void note_limits(Table& table, TableCell& out, const CellResult& cell, const Estimate& estimate);
/// Only the first of them.
void note_partial(Table& table, TableCell& out, const CellResult& cell);

}  // namespace lethe::reports
