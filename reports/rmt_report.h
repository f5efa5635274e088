// SPDX-License-Identifier: Apache-2.0
// The report on recurrent memory: memorise, detect and reasoning over up to 4,096 segments, beside
// the Recurrent Memory Transformer papers.
#pragma once

#include "harness/base/clock.h"
#include "harness/store/run_store.h"
#include "reports/report.h"

namespace lethe::reports {

/// Writes accuracy against segments by task and training seed, test conditions, controls beside
/// their expectation, the matrix of trained and tested lengths, memory and time, eviction on the
/// same tasks, claims, and the papers' other tables as reference. What a database lacks is said.
/// Throws as the other reports, and Error(kStore) for values of wrong types.
ReportResult write_rmt_report(const store::RunStore& store, const ReportRequest& request,
                              const Clock& clock);

}  // namespace lethe::reports
