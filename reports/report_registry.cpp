// SPDX-License-Identifier: Apache-2.0
#include "reports/report_registry.h"

#include "harness/base/names.h"
#include "reports/answer_report.h"
#include "reports/efficiency_report.h"
#include "reports/extrapolation_report.h"
#include "reports/learning_report.h"
#include "reports/namm_report.h"
#include "reports/perplexity_report.h"
#include "reports/retention_report.h"
#include "reports/rmt_report.h"

namespace lethe::reports {

const std::vector<ReportInfo>& all_reports() {
  static const std::vector<ReportInfo> reports{
      {"answers",
       "scores of questions about documents (LongBench, SQuALITY, QASPER) by policy and budget, "
       "paired differences, claims of the TOVA paper, and every answer",
       write_answer_report},
      {"learning",
       "learning curves of every training run in the database, one line per seed, and how the runs "
       "ended",
       write_learning_report, false},
      {"namm",
       "scores of NAMM and of other policies beside the memory really used, paired differences at "
       "equal memory, learning curves, beside the NAMM paper",
       write_namm_report},
      {"perplexity",
       "perplexity against cache budget beside Table 3 of the TOVA paper, paired differences, "
       "claims",
       write_perplexity_report},
      {"retention",
       "what a policy keeps: recency, first tokens, parts of speech and explicit sinks, beside "
       "section 7.3 and Table 5 of the TOVA paper",
       write_retention_report},
      {"efficiency",
       "largest batch in a given memory and its throughput, beside Table 1 of the TOVA paper",
       write_efficiency_report},
      {"extrapolation",
       "perplexity of ever longer beginnings of a text, and the claims of Figure 7 of the TOVA "
       "paper",
       write_extrapolation_report},
      {"rmt",
       "accuracy of recurrent memory against segments, controls that must fail, trained by tested "
       "lengths, cost, beside the Recurrent Memory Transformer papers",
       write_rmt_report},
  };
  return reports;
}

const ReportInfo& find_report(std::string_view name) {
  std::vector<std::string> known;
  for (const ReportInfo& report : all_reports()) {
    if (report.name == name) return report;
    known.push_back(report.name);
  }
  throw unknown_name(ErrorKind::kConfig, "report", name, known);
}

}  // namespace lethe::reports
