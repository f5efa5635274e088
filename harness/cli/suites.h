// SPDX-License-Identifier: Apache-2.0
// Suites by name, expanded, checked and run: what `run` and `reproduce` share.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "harness/cli/options.h"
#include "harness/grid/suite.h"
#include "harness/runner/coordinator.h"
#include "harness/runner/planner.h"

namespace lethe::cli {

/// Names of the suites in data/suites/, sorted.
std::vector<std::string> shipped_suites();

/// Path of a suite: a file as given, else data/suites/NAME.json. Throws Error(kConfig) for an
/// unknown name (with a suggestion).
std::filesystem::path suite_path(const std::string& given);

/// A suite with its cells; every name, file, hash and budget has been checked.
struct LoadedSuite {
  grid::Suite suite;
  std::vector<grid::Cell> cells;
};

/// The suite as written. `set` holds texts "axis=v,…" that replace axes (the suite's overrides and
/// exclusions still apply).
grid::Suite read_suite(const std::string& given, const std::vector<std::string>& set);
/// Throws Error for anything that is wrong with the suite, before any work. `device_kind` ("cpu",
/// "cuda") is part of every key.
LoadedSuite load_suite(grid::Suite suite, const std::string& device_kind = "cpu");

/// Devices of --device, in order, all of one kind; empty without the option.
std::vector<std::string> devices(const Options& options);
/// "cpu" or "cuda".
std::string device_kind(const Options& options);

/// The options that set how a grid runs: workers, devices, limits, events.
std::vector<OptionSpec> execution_options();

/// How much of the machine a run takes.
struct WorkerShare {
  int workers = 1;
  int threads = 1;  ///< of each worker
};

/// What --workers and --threads ask for.
WorkerShare worker_share(const Options& options);

/// Runs what is missing of the suite into `database`, showing progress on standard error. `command`
/// is recorded as where the rows come from.
runner::RunReport execute(const LoadedSuite& loaded, const std::filesystem::path& database,
                          const Options& options, const std::string& command);

/// "21 cells, 126 samples, 258,048 tokens; 100 samples are done, 26 to run (53,248 tokens)".
std::string describe_plan(const runner::Plan& plan, const LoadedSuite& loaded);

/// Lines for people about how a run went, failures first.
std::string describe_run(const runner::RunReport& report, const std::filesystem::path& database);

json::object run_json(const runner::RunReport& report);

}  // namespace lethe::cli
