// SPDX-License-Identifier: Apache-2.0
// The report on NAMM: an evolved memory beside fixed rules that keep as much, and beside its paper.
#pragma once

#include "harness/base/clock.h"
#include "harness/store/run_store.h"
#include "reports/report.h"

namespace lethe::reports {

/// Writes scores beside the memory that was really used, paired differences to NAMM, means over
/// tasks that it was evolved on and over others, its learning curves, verdicts on the paper's
/// claims and the paper's tables. What a database lacks is said. Throws as the other reports, and
/// Error(kStore) for values of wrong types.
ReportResult write_namm_report(const store::RunStore& store, const ReportRequest& request,
                               const Clock& clock);

}  // namespace lethe::reports
