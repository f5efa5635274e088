// SPDX-License-Identifier: Apache-2.0
#include <iostream>

#include "harness/base/error.h"
#include "harness/base/names.h"
#include "harness/base/text.h"
#include "harness/cli/commands/commands.h"
#include "harness/cli/output.h"
#include "harness/cli/root.h"
#include "reports/report_registry.h"

namespace lethe::cli {

namespace {

/// The suite to report: as asked for, or the only one there is.
std::string choose_suite(const store::RunStore& store, const Options& options) {
  const auto found = store.query("SELECT DISTINCT suite FROM suite_cell ORDER BY suite");
  std::vector<std::string> known;
  for (const auto& row : found.rows) known.emplace_back(row[0].as_string());
  if (const auto given = options.find("suite")) {
    for (const auto& name : known) {
      if (name == *given) return name;
    }
    throw unknown_name(ErrorKind::kConfig, "suite", *given, known)
        .add_context(store.path().string());
  }
  if (known.size() == 1) return known.front();
  throw Error(ErrorKind::kUsage,
              known.empty() ? store.path().string() + " holds no suite yet; `lethe run` fills it"
                            : store.path().string() +
                                  " holds several suites; choose one with "
                                  "--suite: " +
                                  join(known, ", "));
}

int run(const Options& options) {
  const auto& report = reports::find_report(options.text("NAME"));
  const auto store =
      store::RunStore::open(options.text("db", "lethe.db"), store::OpenMode::kReadOnly);
  reports::ReportRequest request;
  if (report.of_suite) {
    request.suite = choose_suite(store, options);
  } else if (options.has("suite")) {
    throw Error(ErrorKind::kUsage, "report " + report.name +
                                       " is about the whole database, not about a suite; leave "
                                       "--suite out");
  }
  request.data_dir = root_folder() / "data";
  request.out_dir =
      options.text("out", "report/" + (report.of_suite ? request.suite : report.name));
  if (const auto formats = options.find("format")) request.formats = split(*formats, ',');
  const auto result = report.write(store, request, system_clock());
  if (options.has("json")) {
    json::array files;
    for (const auto& file : result.files) files.push_back(json::value(file.string()));
    print_json({{"files", std::move(files)},
                {"summary", json::array(result.summary.begin(), result.summary.end())},
                {"invariant_violated", result.invariant_violated}});
  } else {
    for (const auto& line : result.summary) std::cout << line << '\n';
    for (const auto& file : result.files) std::cout << "wrote " << file.string() << '\n';
  }
  return result.invariant_violated ? kExitOutsideTolerance : kExitOk;
}

}  // namespace

Command report_command() {
  CommandSpec spec;
  spec.name = "report";
  spec.summary = "write tables, plots and a page from the database alone";
  spec.description = "Reports:";
  for (const auto& report : reports::all_reports()) {
    spec.description += "\n  " + report.name + ": " + report.summary;
  }
  spec.description += "\nExit code 3 says that an invariant of the measurements is violated.";
  spec.arguments = {{"NAME"}};
  spec.options = {
      {"db", "FILE", "result database (default lethe.db)"},
      {"suite", "NAME", "which suite's cells (default: the only one in the database)"},
      {"format", "LIST", "html, md, csv, svg, png (default: all of them)"},
      {"out", "DIR", "folder, created when missing (default report/SUITE or report/NAME)"},
      {"json", "", "print files, numbers and verdicts as JSON"}};
  spec.examples = {{"the perplexity table as Markdown and CSV",
                    "lethe report perplexity --db lethe.db --format md,csv --out tables"},
                   {"learning curves of all training runs", "lethe report learning --db lethe.db"}};
  return {spec, run, {}};
}

}  // namespace lethe::cli
