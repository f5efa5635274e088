// SPDX-License-Identifier: Apache-2.0
// The files of a report, in the formats that were asked for.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/clock.h"
#include "harness/store/run_store.h"
#include "reports/document.h"
#include "reports/perplexity_query.h"
#include "reports/plot.h"
#include "reports/report.h"

namespace lethe::reports {

/// Writes into the folder of a request and remembers what was written.
class ReportFiles {
 public:
  /// Throws Error(kConfig) for an unknown format, Error(kStore) when the folder cannot be made.
  explicit ReportFiles(const ReportRequest& request);

  bool wants(std::string_view format) const;
  bool wants_pictures() const { return wants("html") || wants("svg") || wants("png"); }
  /// `first`: before all others in the list of files.
  void save(const std::string& name, const std::string& content, bool first = false);
  /// Draws figures where some format needs them; keeps the files that were asked for.
  void draw_figures(const std::vector<PlotFigure>& figures);
  /// The same for a script that writes <name>.svg and <name>.png.
  void draw_script_of(const std::string& name, const std::string& script);
  /// A drawn figure for a document: `alt` instead of it, `description` for screen readers.
  Picture picture(const PlotFigure& figure, std::string alt, const std::string& description,
                  std::string caption) const;

  std::vector<std::filesystem::path> take() { return std::move(files_); }

  /// Adds the footer, writes page and Markdown, and puts all files into `result`.
  ReportResult finish(Document document, ReportResult result, const store::RunStore& store,
                      const Selection& selection, const Clock& clock);
  /// The same with the footer at hand.
  ReportResult finish(Document document, ReportResult result, Facts footer);

 private:
  void keep(const std::string& name, const std::vector<std::filesystem::path>& drawn);

  const ReportRequest& request_;
  std::vector<std::filesystem::path> files_;
  std::map<std::string, std::string> svg_;
};

/// Says in document and summary that the database holds nothing of this yet.
void say_empty(Document& document, ReportResult& result, const store::RunStore& store);

/// Who measured the cells of a report and who wrote it.
Facts footer_of(const store::RunStore& store, const Selection& selection, const Clock& clock);
/// The same about rows with the columns of provenance_sql().
Facts footer_of(const store::RunStore& store, const std::string& origins_sql, const Clock& clock);

}  // namespace lethe::reports
