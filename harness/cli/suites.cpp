// SPDX-License-Identifier: Apache-2.0
#include "harness/cli/suites.h"

#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <thread>

#include "harness/base/error.h"
#include "harness/base/names.h"
#include "harness/base/text.h"
#include "harness/base/version.h"
#include "harness/cli/catalogue.h"
#include "harness/cli/root.h"
#include "harness/runner/progress.h"
#include "policies/registry.h"

namespace lethe::cli {

namespace {

namespace fs = std::filesystem;

grid::Overrides parse_overrides(const std::vector<std::string>& texts) {
  grid::Overrides overrides;
  for (const auto& text : texts) {
    const auto equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
      throw Error(
          ErrorKind::kUsage,
          "--set: expected axis=value,… (such as policies=tova,window), found '" + text + "'");
    }
    overrides.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  return overrides;
}

int default_threads(int workers) {
  const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
  return std::max(1, static_cast<int>(cores) / workers);
}

}  // namespace

std::vector<std::string> shipped_suites() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(root_folder() / "data" / "suites")) {
    if (entry.path().extension() == ".json") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

fs::path suite_path(const std::string& given) {
  if (fs::is_regular_file(given)) return given;
  const auto known = shipped_suites();
  if (std::find(known.begin(), known.end(), given) != known.end()) {
    return root_folder() / "data" / "suites" / (given + ".json");
  }
  if (given.find('/') != std::string::npos || fs::path(given).extension() == ".json") {
    throw Error(ErrorKind::kConfig, "suite " + given + ": there is no such file");
  }
  throw unknown_name(ErrorKind::kConfig, "suite", given, known);
}

LoadedSuite load_suite(const std::string& given, const std::vector<std::string>& set) {
  LoadedSuite loaded;
  loaded.suite = grid::read_suite(suite_path(given), parse_overrides(set));
  Catalogue catalogue;
  loaded.cells = grid::expand(loaded.suite, catalogue, "cpu");
  for (const auto& cell : loaded.cells) {
    policies::check_budget(policies::builtin_registry().resolve(cell.policy), cell.budget);
  }
  return loaded;
}

std::vector<OptionSpec> execution_options() {
  return {{"workers", "N", "worker processes, each with the model in memory (default 1)"},
          {"threads", "N", "threads of each worker (default: the cores, shared among workers)"},
          {"events", "FILE", "append what happens as JSON lines"}};
}

runner::RunReport execute(const LoadedSuite& loaded, const fs::path& database,
                          const Options& options, const std::string& command) {
  const int workers = static_cast<int>(options.integer("workers", 1, 1, 256));
  const auto threads = options.integer("threads", default_threads(workers), 1, 1024);
  if (database.has_parent_path()) {
    std::error_code ec;
    fs::create_directories(database.parent_path(), ec);  // a failure shows when the file is opened
  }
  auto store = store::RunStore::open(database, store::OpenMode::kReadWriteCreate);
  runner::RunOptions run;
  run.worker_command = {engine_program().string(), "worker", "--threads", std::to_string(threads)};
  prepare_engine_environment();
  run.workers = workers;
  run.provenance.suite_sha256 = loaded.suite.sha256;
  run.provenance.command = command;
  runner::ProgressDisplay progress(std::cerr, isatty(STDERR_FILENO) == 1);
  run.observers.push_back(&progress);
  std::unique_ptr<runner::EventLog> events;
  if (const auto file = options.find("events")) {
    events = std::make_unique<runner::EventLog>(*file);
    run.observers.push_back(events.get());
  }
  return runner::run_grid(loaded.cells, store, run);
}

std::string describe_plan(const runner::Plan& plan, const LoadedSuite& loaded) {
  std::int64_t tokens = 0;
  for (const auto& cell : loaded.cells) {
    tokens += cell.length * static_cast<std::int64_t>(cell.samples.size());
  }
  return with_thousands(plan.cells_total) + " cells, " + with_thousands(plan.samples_total) +
         " samples, " + with_thousands(tokens) + " tokens; " + with_thousands(plan.samples_cached) +
         " samples are done, " + with_thousands(plan.samples_missing) + " to run (" +
         with_thousands(plan.tokens_missing) + " tokens)";
}

std::string describe_run(const runner::RunReport& report, const fs::path& database) {
  std::string out;
  for (const auto& failure : report.failures) {
    out += store::to_string(failure.status) + ": " + failure.label + ": " + failure.reason + "\n";
  }
  if (report.samples_done == 0 && report.failures.empty() && !report.interrupted) {
    return out + "all " + with_thousands(report.samples_cached) + " samples were in " +
           database.string() + ": no forward pass was needed\n";
  }
  out += with_thousands(report.cells_done) + " of " + with_thousands(report.cells_total) +
         " cells run, " + with_thousands(report.cells_cached) + " were done before; " +
         with_thousands(report.samples_done) + " samples, " + with_thousands(report.tokens_done) +
         " tokens in " + human_duration(report.seconds);
  if (!report.failures.empty())
    out +=
        "; " + with_thousands(static_cast<std::int64_t>(report.failures.size())) + " cells failed";
  if (report.interrupted) {
    out += "; interrupted with " + with_thousands(report.cells_left) +
           " cells left: run the same command again to go on";
  }
  return out + "\nresults are in " + database.string() + "\n";
}

json::object run_json(const runner::RunReport& report) {
  json::array failures;
  for (const auto& failure : report.failures) {
    failures.push_back({{"cell", failure.label},
                        {"status", store::to_string(failure.status)},
                        {"reason", failure.reason}});
  }
  return {{"cells", report.cells_total},
          {"cells_cached", report.cells_cached},
          {"cells_done", report.cells_done},
          {"cells_left", report.cells_left},
          {"samples_cached", report.samples_cached},
          {"samples_done", report.samples_done},
          {"tokens_done", report.tokens_done},
          {"workers_died", report.workers_died},
          {"interrupted", report.interrupted},
          {"seconds", report.seconds},
          {"failures", std::move(failures)}};
}

}  // namespace lethe::cli
