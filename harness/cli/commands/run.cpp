// SPDX-License-Identifier: Apache-2.0
#include <iostream>

#include "harness/base/error.h"
#include "harness/base/text.h"
#include "harness/cli/commands/commands.h"
#include "harness/cli/output.h"
#include "harness/cli/suites.h"

namespace lethe::cli {

namespace {

namespace fs = std::filesystem;

/// Seconds the missing tokens will take at the rate of earlier rows with the same model and
/// precision; null when there are none.
json::value estimate_seconds(const store::RunStore* store, const runner::Plan& plan,
                             const LoadedSuite& loaded, std::int64_t workers) {
  if (!store) return nullptr;
  const auto& cell = loaded.cells.front();
  const std::vector<json::value> parameters{json::value(cell.model), json::value(cell.dtype)};
  const auto rate = store->query(
      "SELECT sum(tokens_in - tokens_shared) / nullif(sum(seconds), 0.0) FROM samples "
      "WHERE model = ?1 AND dtype = ?2",
      parameters);
  if (rate.rows.empty() || !rate.rows[0][0].is_double()) return nullptr;
  return static_cast<double>(plan.tokens_missing) / rate.rows[0][0].as_double() /
         static_cast<double>(workers);
}

void dry_run(const LoadedSuite& loaded, const fs::path& database, const Options& options) {
  std::optional<store::RunStore> store;
  if (fs::exists(database) && !fs::is_empty(database)) {
    store.emplace(store::RunStore::open(database, store::OpenMode::kReadOnly));
  }
  const auto* there = store ? &*store : nullptr;
  const auto plan = runner::plan_jobs(loaded.cells, there);
  const auto seconds = estimate_seconds(there, plan, loaded, options.integer("workers", 1, 1, 256));
  if (options.has("json")) {
    json::array missing;
    for (const auto& job : plan.jobs) missing.push_back(json::value(job.job.label));
    print_json({{"suite", loaded.suite.name},
                {"cells", plan.cells_total},
                {"samples", plan.samples_total},
                {"samples_cached", plan.samples_cached},
                {"samples_missing", plan.samples_missing},
                {"tokens_missing", plan.tokens_missing},
                {"estimated_seconds", seconds},
                {"missing", std::move(missing)}});
    return;
  }
  for (const auto& job : plan.jobs) {
    std::cout << job.job.label << "  " << job.job.samples.size() << " samples to run";
    if (job.samples_cached > 0) std::cout << ", " << job.samples_cached << " done";
    std::cout << '\n';
  }
  std::cout << loaded.suite.name << ": " << describe_plan(plan, loaded) << "\nestimated time: "
            << (seconds.is_double()
                    ? human_duration(seconds.as_double())
                    : "unknown (no earlier rows of this model in " + database.string() + ")")
            << '\n';
}

int run(const Options& options) {
  const fs::path database = options.text("db", "lethe.db");
  const auto loaded = load_suite(options.text("SUITE"), options.all("set"));
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
      {"dry-run", "", "print cells, samples, tokens and the estimated time; run nothing"},
      {"set", "AXIS=LIST", "replace an axis of the suite; may be repeated", true},
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
