// SPDX-License-Identifier: Apache-2.0
// The reports by name, as suites and `lethe report` ask for them.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/clock.h"
#include "harness/store/run_store.h"
#include "reports/report.h"

namespace lethe::reports {

struct ReportInfo {
  std::string name;
  std::string summary;
  std::function<ReportResult(const store::RunStore&, const ReportRequest&, const Clock&)> write;
  bool of_suite = true;  ///< about the cells of one suite; false: about the whole database
};

/// All reports, sorted by name.
const std::vector<ReportInfo>& all_reports();

/// Throws Error(kConfig) with a suggestion when there is no such report.
const ReportInfo& find_report(std::string_view name);

}  // namespace lethe::reports
