// SPDX-License-Identifier: Apache-2.0
// Memory, largest batch and throughput by budget (TOVA, arXiv 2401.06104, Table 1), from the
// database alone.
#pragma once

#include "harness/base/clock.h"
#include "harness/store/run_store.h"
#include "reports/report.h"

namespace lethe::reports {

/// Of cells of the task `efficiency`. Throws as write_perplexity_report().
ReportResult write_efficiency_report(const store::RunStore& store, const ReportRequest& request,
                                     const Clock& clock = system_clock());

}  // namespace lethe::reports
