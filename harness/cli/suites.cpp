// SPDX-License-Identifier: Apache-2.0
#include "harness/cli/suites.h"

#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <memory>
#include <thread>

#include "harness/base/error.h"
#include "harness/base/names.h"
#include "harness/base/spec.h"
#include "harness/base/text.h"
#include "harness/base/version.h"
#include "harness/cli/catalogue.h"
#include "harness/cli/results.h"
#include "harness/cli/root.h"
#include "harness/runner/progress.h"
#include "policies/plugin/plugin.h"

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

fs::path suites_folder() {
  return root_folder() / "data" / "suites";
}

}  // namespace

std::vector<std::string> shipped_suites() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(suites_folder())) {
    if (entry.path().extension() == ".json") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

fs::path suite_path(const std::string& given) {
  if (fs::is_regular_file(given)) return given;
  const auto known = shipped_suites();
  if (std::find(known.begin(), known.end(), given) != known.end()) {
    return suites_folder() / (given + ".json");
  }
  if (given.find('/') != std::string::npos || fs::path(given).extension() == ".json") {
    throw Error(ErrorKind::kConfig, "suite " + given + ": there is no such file");
  }
  throw unknown_name(ErrorKind::kConfig, "suite", given, known);
}

std::vector<std::string> devices(const Options& options) {
  if (!options.has("device")) return {};
  const auto list = split(options.text("device"), ',');
  const auto kind_of = [](const std::string& device) { return device.substr(0, device.find(':')); };
  for (const auto& device : list) {
    const bool cuda =
        device.starts_with("cuda:") && parse_integer(device.substr(5)).value_or(-1) >= 0;
    if (device != "cpu" && !cuda) {
      throw Error(ErrorKind::kUsage, "--device: expected cpu or cuda:N,…, found '" + device + "'");
    }
    if (kind_of(device) != kind_of(list.front())) {
      throw Error(ErrorKind::kUsage, "--device: '" + list.front() + "' and '" + device +
                                         "' may give other numbers; run them apart");
    }
    if (std::count(list.begin(), list.end(), device) > 1) {
      throw Error(ErrorKind::kUsage, "--device: '" + device +
                                         "' is given twice; more workers for "
                                         "a device come by --workers");
    }
  }
  return list;
}

std::string device_kind(const Options& options) {
  const auto list = devices(options);
  return list.empty() || list.front() == "cpu" ? "cpu" : "cuda";
}

grid::Suite read_suite(const std::string& given, const std::vector<std::string>& set) {
  return grid::read_suite(suite_path(given), parse_overrides(set), suites_folder());
}

LoadedSuite load_suite(grid::Suite suite, const std::string& device_kind) {
  LoadedSuite loaded;
  loaded.suite = std::move(suite);
  for (const auto& plugin : loaded.suite.plugins) policies::load_plugin(plugin);
  Catalogue catalogue;
  loaded.cells = grid::expand(loaded.suite, catalogue, device_kind);
  return loaded;
}

std::vector<OptionSpec> execution_options() {
  return {
      {"workers", "N",
       "worker processes per device; on the CPU they share one copy of the weights (default 1)"},
      {"threads", "N", "threads of each worker (default: the cores, shared among workers)"},
      data_option(),
      {"device", "LIST", "cpu (default) or cuda:0,cuda:1,…: workers are spread over them"},
      {"time-limit", "S", "stop a cell after so many seconds: timeout (default: none)"},
      {"hang-after", "S", "stop a worker without progress for so long (default 600; 0: never)"},
      {"memory-limit", "MIB", "stop a worker that holds more for itself: oom (default: none)"},
      {"after-oom", "WHAT", "skip (default) or try larger cells of a line that ran out of memory"},
      {"save-every", "S", "how often a long sample saves its state (default 60; 0: never)"},
      {"retries", "N", "tries again after a worker died or hung (default 2)"},
      {"events", "FILE", "append what happens as JSON lines"},
      plugin_option()};
}

WorkerShare worker_share(const Options& options) {
  WorkerShare share;
  share.workers = static_cast<int>(options.integer("workers", 1, 1, 256));
  const auto cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  const auto devices_at_once = static_cast<int>(std::max<std::size_t>(1, devices(options).size()));
  share.threads = static_cast<int>(
      options.integer("threads", std::max(1, cores / (share.workers * devices_at_once)), 1, 1024));
  return share;
}

runner::RunReport execute(const LoadedSuite& loaded, const fs::path& database,
                          const Options& options, const std::string& command) {
  const auto [workers, threads] = worker_share(options);
  constexpr std::int64_t kLongest = 1'000'000'000;  // seconds; a MiB count has the same bound
  auto store = open_results(database);
  runner::RunOptions run;
  run.worker_command = {engine_program().string(), "worker", "--threads", std::to_string(threads)};
  for (const auto& plugin : policies::loaded_plugins()) {
    run.worker_command.insert(run.worker_command.end(), {"--plugin", plugin.path.string()});
  }
  prepare_engine_environment();
  run.workers = workers;
  run.share_memory = true;
  run.devices = devices(options);
  run.limits.cell_seconds = static_cast<double>(options.integer("time-limit", 0, 0, kLongest));
  run.limits.hang_seconds = static_cast<double>(options.integer("hang-after", 600, 0, kLongest));
  run.limits.memory_bytes = options.integer("memory-limit", 0, 0, kLongest) << 20;
  run.after_oom = options.choice("after-oom", "skip", {"skip", "try"}) == "try"
                      ? runner::AfterOom::kTry
                      : runner::AfterOom::kSkip;
  run.state_seconds = static_cast<double>(options.integer("save-every", 60, 0, kLongest));
  run.max_retries = static_cast<int>(options.integer("retries", 2, 0, 1000));
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
  for (const auto& worker : report.workers_given_up) out = "given up: " + worker + "\n" + out;
  std::map<std::string, std::int64_t> ends;
  for (const auto& failure : report.failures) ++ends[store::to_string(failure.status)];
  for (const auto& [status, count] : ends) {
    out += "; " + with_thousands(count) + (count == 1 ? " cell " : " cells ") + status;
  }
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
          {"workers_given_up", json::value_from(report.workers_given_up)},
          {"interrupted", report.interrupted},
          {"seconds", report.seconds},
          {"failures", std::move(failures)}};
}

}  // namespace lethe::cli
