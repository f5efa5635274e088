// SPDX-License-Identifier: Apache-2.0
// From the result database to groups of memory cells, and the SQL that gives every table.
#pragma once

#include <string>

#include "harness/store/run_store.h"
#include "reports/perplexity_query.h"
#include "reports/rmt_data.h"

namespace lethe::reports {

/// Reads the selected cells whose policy is `rmt`, and those of other policies on a task that some
/// such cell has too. A task and a model that do not say their options have none: nothing is
/// required but scores. Throws Error(kStore) naming cell or sample and member for values of wrong
/// types, and Error(kConfig) for a cell key that is not in the database.
RmtResults read_rmt_results(const store::RunStore& store, const Selection& selection);

/// One row per selected cell: condition, model, seed, policy, length, segments, accuracy, samples,
/// seconds and bytes. `condition` is one on columns of the view `cells`, named `c`: "c.policy =
/// 'rmt'".
std::string rmt_cells_sql(const Selection& selection, const std::string& condition);

}  // namespace lethe::reports
