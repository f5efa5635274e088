// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <filesystem>
#include <iostream>

#include "harness/base/error.h"
#include "harness/base/names.h"
#include "harness/base/text.h"
#include "harness/cli/commands/commands.h"
#include "harness/cli/output.h"
#include "harness/cli/root.h"
#include "harness/cli/shipped_trainings.h"
#include "harness/cli/suites.h"
#include "harness/cli/trained_models.h"
#include "reports/report_registry.h"

namespace lethe::cli {

namespace {

namespace fs = std::filesystem;

int list_suites(const Options& options) {
  json::array out;
  for (const auto& name : shipped_suites()) {
    const auto suite = grid::read_suite(suite_path(name), {});
    if (suite.report.empty()) continue;
    if (options.has("json")) {
      out.push_back({{"name", name}, {"title", suite.title}, {"report", suite.report}});
    } else {
      std::cout << name << ": " << suite.title << '\n';
    }
  }
  if (options.has("json")) print_json(out);
  return kExitOk;
}

/// Runs what is missing and writes the report even when cells failed: what is there is shown, what
/// is not is marked. Not after an interruption, where the user wants to leave.
int reproduce_one(const std::string& name, const Options& options) {
  auto suite = read_suite(name, {});
  if (suite.report.empty()) {
    throw Error(ErrorKind::kConfig, "suite " + suite.name +
                                        " names no report (member \"report\"); use `lethe run` and "
                                        "`lethe report`");
  }
  const auto& report = reports::find_report(suite.report);
  const fs::path out_dir = options.text("out", "report/" + suite.name);
  const fs::path database = options.text("db", (out_dir / "results.db").string());
  train_missing(suite, out_dir, database, options);
  store_shipped_trainings(suite, database);
  const auto loaded = load_suite(suite, device_kind(options));
  const auto outcome = execute(loaded, database, options, "lethe reproduce " + name);
  const bool as_json = options.has("json");
  if (!as_json) std::cout << describe_run(outcome, database) << std::flush;
  if (outcome.interrupted) return outcome.exit_code();

  reports::ReportRequest request;
  request.suite = suite.name;
  for (const auto& cell : loaded.cells) request.cell_keys.push_back(cell.key);
  request.title = suite.title;
  request.data_dir = root_folder() / "data";
  request.out_dir = out_dir;
  const auto store = store::RunStore::open(database, store::OpenMode::kReadOnly);
  const auto written = report.write(store, request, system_clock());
  if (as_json) {
    json::array files;
    for (const auto& file : written.files) files.push_back(json::value(file.string()));
    print_json({{"suite", suite.name},
                {"run", run_json(outcome)},
                {"files", std::move(files)},
                {"summary", json::array(written.summary.begin(), written.summary.end())},
                {"invariant_violated", written.invariant_violated}});
  } else {
    std::cout << '\n';
    for (const auto& line : written.summary) std::cout << line << '\n';
    std::cout << "\nreport: " << written.files.front().string() << '\n';
  }
  if (outcome.exit_code() != kExitOk) return outcome.exit_code();
  return written.invariant_violated ? kExitOutsideTolerance : kExitOk;
}

/// The shipped suite that shows in minutes what `name` shows in hours: NAME-quick, or the one of
/// its family, rmt-quick for rmt-2m; "" where there is none.
std::string find_quick_form(const std::string& name, const std::vector<std::string>& known) {
  for (const auto& stem : {name, name.substr(0, name.find('-'))}) {
    if (std::ranges::count(known, stem + "-quick") > 0) return stem + "-quick";
  }
  return "";
}

std::string quick_form(const std::string& name) {
  const auto known = shipped_suites();
  if (const auto quick = find_quick_form(name, known); !quick.empty()) return quick;
  suite_path(name);  // a name that is none is told as such
  std::vector<std::string> forms;
  for (const auto& suite : known) {
    if (suite.ends_with("-quick")) forms.push_back(suite.substr(0, suite.size() - 6));
  }
  throw Error(ErrorKind::kUsage,
              "--quick: suite " + name + " has no quick form; these have: " + join(forms, ", "));
}

int run(const Options& options) {
  if (options.has("list")) return list_suites(options);
  const std::string name = options.text("SUITE", "");
  if (name.empty()) throw Error(ErrorKind::kUsage, "SUITE is missing; --list shows what there is");
  if (name != "all") return reproduce_one(options.has("quick") ? quick_form(name) : name, options);
  if (options.has("out") || options.has("db")) {
    throw Error(ErrorKind::kUsage, "--out and --db are for one suite; `all` writes report/SUITE/");
  }
  int code = kExitOk;
  const auto known = shipped_suites();
  for (const auto& suite : known) {
    const auto read = read_suite(suite, {});
    if (read.report.empty() || !read.train.empty()) continue;  // training is asked for by name
    // Of two forms of one suite, the one that is asked for.
    const bool quick = suite.ends_with("-quick");
    const bool has_quick = !quick && !find_quick_form(suite, known).empty();
    if (options.has("quick") ? has_quick : quick) continue;
    if (!options.has("json")) std::cout << "== " << suite << '\n' << std::flush;
    const int ended = reproduce_one(suite, options);
    if (ended == kExitInterrupted) return ended;
    code = std::max(code, ended);
  }
  return code;
}

}  // namespace

Command reproduce_command() {
  CommandSpec spec;
  spec.name = "reproduce";
  spec.summary = "run a suite and write its report: one command from nothing to a table";
  spec.description =
      "SUITE is a shipped suite (such as quick), a JSON file, or all. Results go to\n"
      "report/SUITE/results.db, tables and plots beside it. What is already in the database is "
      "not\n"
      "run again. Exit code 1: cells failed; 3: an invariant of the measurements is violated.";
  spec.arguments = {{"SUITE", false}};
  spec.options = {{"list", "", "print the suites and end"},
                  {"quick", "", "the suite's quick form, SUITE-quick: minutes instead of hours"},
                  {"db", "FILE", "result database (default DIR/results.db)"},
                  {"out", "DIR", "folder of the report (default report/SUITE)"},
                  {"json", "", "print outcome, files and verdicts as JSON"}};
  const auto execution = execution_options();
  spec.options.insert(spec.options.end(), execution.begin(), execution.end());
  spec.examples = {{"what can be reproduced", "lethe reproduce --list"},
                   {"a check of the whole line in seconds (for the paper's table: quick)",
                    "lethe reproduce smoke"}};
  return {spec, run, {}};
}

}  // namespace lethe::cli
