// SPDX-License-Identifier: Apache-2.0
// Learning curves of the training runs in a database, from the database alone.
#pragma once

#include "harness/base/clock.h"
#include "harness/store/run_store.h"
#include "reports/report.h"

namespace lethe::reports {

/// Of every training run that the database holds, whatever suite and cells the request names:
/// curves by metric with one line per seed, how each run ended, its last values and the hash of its
/// checkpoint. Values beside no published figure: what is trained here is judged by the reports on
/// its evaluation. Throws Error(kStore), and as ReportFiles.
ReportResult write_learning_report(const store::RunStore& store, const ReportRequest& request,
                                   const Clock& clock = system_clock());

}  // namespace lethe::reports
