// SPDX-License-Identifier: Apache-2.0
// The perplexity report: tables, plots, claims and verdicts of one suite, from the database alone.
#pragma once

#include "harness/base/clock.h"
#include "harness/store/run_store.h"
#include "reports/report.h"

namespace lethe::reports {

/// Reads the database and writes the report. An empty database, an unknown suite, missing, failed
/// and partial cells are said in the report; they are no errors. Throws Error(kConfig) for an
/// unknown format, a cell key that is not there or a missing gnuplot; Error(kData) for damaged
/// published data; Error(kStore) when the database or the folder fails.
ReportResult write_perplexity_report(const store::RunStore& store, const ReportRequest& request,
                                     const Clock& clock = system_clock());

}  // namespace lethe::reports
