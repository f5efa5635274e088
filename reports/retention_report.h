// SPDX-License-Identifier: Apache-2.0
// What a policy keeps: recency, first tokens, parts of speech, explicit sinks (TOVA, arXiv
// 2401.06104, section 7.3 and appendices G and H), from the database alone.
#pragma once

#include "harness/base/clock.h"
#include "harness/store/run_store.h"
#include "reports/report.h"

namespace lethe::reports {

/// Of cells of the task `retention`. Throws as write_perplexity_report().
ReportResult write_retention_report(const store::RunStore& store, const ReportRequest& request,
                                    const Clock& clock = system_clock());

}  // namespace lethe::reports
