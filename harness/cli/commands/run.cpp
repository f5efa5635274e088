// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <iostream>

#include "harness/base/error.h"
#include "harness/base/text.h"
#include "harness/cli/commands/commands.h"
#include "harness/cli/estimate.h"
#include "harness/cli/output.h"
#include "harness/cli/suites.h"

namespace lethe::cli {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kCellsShown = 40;

/// "3 m 20 s", "at least 40 s: 5 of 21 cells have no earlier rows …".
std::string describe_time(const PlanCost& cost, double workers, const runner::Plan& plan,
                          const fs::path& database) {
  const auto cells = static_cast<std::int64_t>(plan.jobs.size());
  const std::string why =
      "no earlier rows of this model and dtype, made on this CPU with as many "
      "threads, in " +
      database.string();
  if (cells > 0 && cost.cells_without_rate == cells) return "unknown (" + why + ")";
  const std::string known = human_duration(cost.seconds / workers);
  if (cost.cells_without_rate == 0) return known;
  return "at least " + known + " (" + with_thousands(cost.cells_without_rate) + " of " +
         with_thousands(cells) + " cells: " + why + ")";
}

void dry_run(const LoadedSuite& loaded, const fs::path& database, const Options& options) {
  std::optional<store::RunStore> store;
  if (fs::exists(database) && !fs::is_empty(database)) {
    store.emplace(store::RunStore::open(database, store::OpenMode::kReadOnly));
  }
  const auto* there = store ? &*store : nullptr;
  const auto plan = runner::plan_jobs(loaded.cells, there);
  const auto share = worker_share(options);
  const double workers = static_cast<double>(share.workers) *
                         static_cast<double>(std::max<std::size_t>(1, devices(options).size()));
  const auto cost = estimate(CostModel(there, share.threads), plan, loaded.cells);
  if (options.has("json")) {
    json::array missing;
    for (const auto& job : plan.jobs) missing.push_back(json::value(job.job.label));
    print_json(
        {{"suite", loaded.suite.name},
         {"cells", plan.cells_total},
         {"samples", plan.samples_total},
         {"samples_cached", plan.samples_cached},
         {"samples_missing", plan.samples_missing},
         {"tokens_missing", plan.tokens_missing},
         {"estimated_seconds",
          cost.cells_without_rate == 0 ? json::value(cost.seconds / workers) : json::value()},
         {"cells_without_estimate", cost.cells_without_rate},
         {"estimated_bytes", static_cast<std::int64_t>(cost.bytes)},
         {"missing", std::move(missing)}});
    return;
  }
  for (std::size_t i = 0; i < std::min(plan.jobs.size(), kCellsShown); ++i) {
    const auto& job = plan.jobs[i];
    std::cout << job.job.label << "  " << job.job.samples.size() << " samples to run";
    if (job.samples_cached > 0) std::cout << ", " << job.samples_cached << " done";
    std::cout << '\n';
  }
  if (plan.jobs.size() > kCellsShown) {
    std::cout << "… and "
              << with_thousands(static_cast<std::int64_t>(plan.jobs.size() - kCellsShown))
              << " more (--json prints all)\n";
  }
  std::cout << loaded.suite.name << ": " << describe_plan(plan, loaded)
            << "\nestimated time: " << describe_time(cost, workers, plan, database)
            << "\nestimated size: " << human_bytes(cost.bytes) << " more in " << database.string()
            << '\n';
}

int run(const Options& options) {
  const fs::path database = options.text("db", "lethe.db");
  const auto loaded =
      load_suite(read_suite(options.text("SUITE"), options.all("set")), device_kind(options));
  if (options.has("dry-run")) {
    dry_run(loaded, database, options);
    return kExitOk;
  }
  std::string command = "lethe run " + options.text("SUITE");
  for (const auto& axis : options.all("set")) command += " --set " + axis;
  const auto report = execute(loaded, database, options, command);
  if (options.has("json")) {
    print_json(run_json(report));
  } else {
    std::cout << describe_run(report, database);
  }
  return report.exit_code();
}

}  // namespace

Command run_command() {
  CommandSpec spec;
  spec.name = "run";
  spec.summary = "run a grid of cells; what the database already holds is skipped";
  spec.description =
      "SUITE is a JSON file or the name of a shipped suite (`lethe list suites`). Every name, "
      "file\n"
      "and hash is checked before any work. Ctrl-C finishes the running samples; the same command\n"
      "goes on where it stopped, also after a crash.";
  spec.arguments = {{"SUITE"}};
  spec.options = {
      {"db", "FILE", "result database (default lethe.db)"},
      {"dry-run", "", "print cells, samples, tokens, estimated time and size; run nothing"},
      {"set", "AXIS=LIST",
       "replace an axis of the suite (its overrides still apply); may be repeated", true},
      {"json", "", "print the outcome as JSON"}};
  const auto execution = execution_options();
  spec.options.insert(spec.options.end(), execution.begin(), execution.end());
  spec.examples = {{"what would run, and how long it takes", "lethe run quick --dry-run"},
                   {"a check of the whole line in seconds", "lethe run smoke"},
                   {"other policies and budgets, events for another program",
                    "lethe run smoke --set policies=h2o --set budgets=32 --events events.jsonl"}};
  return {spec, run, {}};
}

}  // namespace lethe::cli
