// SPDX-License-Identifier: Apache-2.0
// What every report is asked for, and what it gives.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

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

}  // namespace lethe::reports
