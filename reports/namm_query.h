// SPDX-License-Identifier: Apache-2.0
// From the result database to panels of NAMM, and the SQL that gives the tables.
#pragma once

#include <string>

#include "harness/store/run_store.h"
#include "reports/namm_data.h"
#include "reports/perplexity_query.h"

namespace lethe::reports {

/// Kind of the training runs of NAMM.
inline constexpr const char* kNammTraining = "namm";

/// Reads the selected cells of every model, task and length in which policy `namm` ran, and all
/// training runs of NAMM. Throws Error(kStore) naming cell or run and member for values of wrong
/// types, and Error(kConfig) for a cell key that is not in the database.
NammResults read_namm_results(const store::RunStore& store, const Selection& selection);

/// "namm:cap=true,weights=namm-recall-2" without the seed at the end of its weights' name; another
/// specification as it is.
std::string without_training_seed(const std::string& policy);

/// One row per cell of a panel: mean and peak tokens per layer, score, perplexity, samples.
std::string namm_cells_sql(const NammPanel& panel);

}  // namespace lethe::reports
