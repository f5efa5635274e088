// SPDX-License-Identifier: Apache-2.0
// Perplexity of ever longer beginnings of one text (TOVA, arXiv 2401.06104, Figure 7), from the
// database alone.
#pragma once

#include "harness/base/clock.h"
#include "harness/store/run_store.h"
#include "reports/report.h"

namespace lethe::reports {

/// A point is the perplexity of all tokens up to it, over all samples of a cell together. Throws as
/// write_perplexity_report().
ReportResult write_extrapolation_report(const store::RunStore& store, const ReportRequest& request,
                                        const Clock& clock = system_clock());

}  // namespace lethe::reports
