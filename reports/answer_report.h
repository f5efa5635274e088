// SPDX-License-Identifier: Apache-2.0
// The report on answers: LongBench, SQuALITY, QASPER and every other task of questions and answers
// under cache budgets.
#pragma once

#include "harness/base/clock.h"
#include "harness/store/run_store.h"
#include "reports/report.h"

namespace lethe::reports {

/// Writes scores by task and policy, paired differences to the full cache, the claims of the TOVA
/// paper, plots, and all answers for the audit (answers.csv, answers.html). Throws as the other
/// reports, and Error(kStore) for outputs that are none of such a task.
ReportResult write_answer_report(const store::RunStore& store, const ReportRequest& request,
                                 const Clock& clock);

}  // namespace lethe::reports
