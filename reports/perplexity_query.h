// SPDX-License-Identifier: Apache-2.0
// From the result database to panels of perplexity cells, and the SQL that gives every table.
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "harness/store/run_store.h"
#include "reports/perplexity_data.h"

namespace lethe::reports {

/// Which cells a report reads.
struct Selection {
  std::string suite;
  std::vector<std::string> cell_keys;  ///< when given: exactly these cells, whatever their suite
};

/// One row per cell of a panel: perplexity, standard error, counts.
std::string perplexity_sql(const Selection& selection, const Settings& settings);

/// One row per cell with mean NLL, token-average and book-average perplexity.
std::string averages_sql(const Selection& selection, const Settings& settings);

/// One row per pair of policies and budget: difference of the mean NLL on shared samples. A second
/// policy without a budget (the full cache) is paired with every budget of the first.
std::string differences_sql(const Selection& selection, const Settings& settings,
                            std::span<const std::pair<std::string, std::string>> pairs);

/// Condition on the columns of the views `samples` and `results`: the selected cells that share
/// every axis of a panel but schedule and positions.
std::string condition_sql(const Selection& selection, const Settings& settings);

/// The selected cells in order of the grid. Throws Error(kConfig) for a cell key that is not in the
/// database.
std::vector<store::StoredCell> selected_cells(const store::RunStore& store,
                                              const Selection& selection);

/// The keys of the selected cells.
std::string cell_keys_sql(const Selection& selection);

/// Provenance rows that the samples of the selection point to.
std::string provenance_sql(const Selection& selection);

/// Reads the selected cells, grouped so that no panel mixes settings. A full-cache cell stands in
/// every panel that differs from it in schedule and positions only, where that panel has none of
/// its own. Throws Error(kStore), and Error(kConfig) for a cell key that is not in the database.
std::vector<Panel> read_panels(const store::RunStore& store, const Selection& selection);

/// `text` as an SQL string literal.
std::string sql_quote(std::string_view text);

}  // namespace lethe::reports
