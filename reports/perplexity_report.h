// SPDX-License-Identifier: Apache-2.0
// The perplexity report: tables, plots, claims and verdicts of one suite, from the database alone.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "harness/base/clock.h"
#include "harness/store/run_store.h"

namespace lethe::reports {

/// What to write and where.
struct ReportRequest {
  std::string suite;                   ///< cells of this suite …
  std::vector<std::string> cell_keys;  ///< … or, when given, exactly these
  std::string title;                   ///< "" for a title made from the suite's name
  std::filesystem::path data_dir;      ///< the folder that holds published/
  std::filesystem::path out_dir;       ///< created when missing
  /// Any of "html", "md", "csv", "svg", "png"; empty: all. html, svg and png need gnuplot.
  std::vector<std::string> formats;
  std::string gnuplot = "gnuplot";  ///< name looked up in PATH, or a path
};

struct ReportResult {
  std::vector<std::filesystem::path> files;  ///< written, index.html first
  std::vector<std::string> summary;          ///< lines for a terminal: numbers, then verdicts
  /// A budget of at least the length did not equal the full cache: the program ends with exit code
  /// kExitOutsideTolerance.
  bool invariant_violated = false;
};

/// Reads the database and writes the report. An empty database, an unknown suite, missing, failed
/// and partial cells are said in the report; they are no errors. Throws Error(kConfig) for an
/// unknown format, a cell key that is not there or a missing gnuplot; Error(kData) for damaged
/// published data; Error(kStore) when the database or the folder fails.
ReportResult write_perplexity_report(const store::RunStore& store, const ReportRequest& request,
                                     const Clock& clock = system_clock());

}  // namespace lethe::reports
