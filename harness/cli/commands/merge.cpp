// SPDX-License-Identifier: Apache-2.0
// merge, and export and import, which end in one.
#include <cmath>
#include <filesystem>
#include <iostream>
#include <sstream>

#include "harness/base/error.h"
#include "harness/base/text.h"
#include "harness/cli/commands/commands.h"
#include "harness/cli/output.h"
#include "harness/cli/stored_cells.h"
#include "harness/store/archive.h"
#include "harness/store/merge.h"
#include "harness/store/run_store.h"
#include "harness/store/store_lock.h"

namespace lethe::cli {

namespace {

namespace fs = std::filesystem;

std::vector<fs::path> paths(const std::vector<std::string>& names) {
  return {names.begin(), names.end()};
}

store::StoreLock hold(const fs::path& database, const std::string& command) {
  // A database of an older schema is brought up to date before it is held: with a holder it is
  // taken to be in use.
  if (fs::exists(database)) store::RunStore::open(database, store::OpenMode::kReadWriteCreate);
  return store::StoreLock(database, command);
}

std::string value_text(const std::optional<double>& value) {
  if (!value) return "nothing";
  std::ostringstream out;
  out.precision(17);
  out << *value;
  return out.str();
}

void print_conflict(const store::MergeConflict& conflict) {
  std::cout << "conflict: " << cell_label(conflict.cell) << ", sample " << conflict.sample_id
            << " (" << conflict.sample_key << "): ";
  if (conflict.nll_sum_kept != conflict.nll_sum_refused) {
    std::cout << "NLL " << value_text(conflict.nll_sum_kept) << " kept, "
              << value_text(conflict.nll_sum_refused) << " refused; ";
  }
  if (conflict.score_kept != conflict.score_refused) {
    std::cout << "score " << value_text(conflict.score_kept) << " kept, "
              << value_text(conflict.score_refused) << " refused; ";
  }
  if (conflict.output_differs) std::cout << "another output; ";
  if (conflict.trace_differs) {
    std::cout << "traces differ by up to " << value_text(conflict.largest_trace_difference) << "; ";
  }
  std::cout << (conflict.within_rounding() ? "within 1e-6 of mean NLL and score\n"
                                           : "not within 1e-6 of mean NLL and score\n");
}

json::value as_json(const std::optional<double>& value) {
  return value && std::isfinite(*value) ? json::value(*value) : json::value(nullptr);
}

json::object conflict_json(const store::MergeConflict& conflict) {
  return {{"cell", cell_label(conflict.cell)},
          {"sample_id", conflict.sample_id},
          {"sample_key", conflict.sample_key},
          {"nll_sum_kept", as_json(conflict.nll_sum_kept)},
          {"nll_sum_refused", as_json(conflict.nll_sum_refused)},
          {"score_kept", as_json(conflict.score_kept)},
          {"score_refused", as_json(conflict.score_refused)},
          {"output_differs", conflict.output_differs},
          {"trace_differs", conflict.trace_differs},
          {"largest_trace_difference", as_json(conflict.largest_trace_difference)},
          {"within_rounding", conflict.within_rounding()}};
}

void print_conflict(const store::TrainingConflict& conflict) {
  std::cout << "conflict: training run " << conflict.name << ", seed " << conflict.seed << " ("
            << conflict.key << "): checkpoint " << conflict.checkpoint_kept << " kept, "
            << conflict.checkpoint_refused << " refused\n";
}

json::object conflict_json(const store::TrainingConflict& conflict) {
  return {{"key", conflict.key},
          {"kind", conflict.kind},
          {"name", conflict.name},
          {"seed", conflict.seed},
          {"checkpoint_kept", conflict.checkpoint_kept},
          {"checkpoint_refused", conflict.checkpoint_refused}};
}

template <typename Conflict>
json::array conflicts_json(const std::vector<Conflict>& conflicts) {
  json::array out;
  for (const auto& conflict : conflicts) out.push_back(conflict_json(conflict));
  return out;
}

int report(const std::vector<store::ShardReport>& shards, const fs::path& out, bool json_wanted) {
  bool clash = false;
  json::array list;
  for (const auto& shard : shards) {
    const auto conflicts =
        static_cast<std::int64_t>(shard.conflicts.size() + shard.training_conflicts.size());
    clash = clash || conflicts > 0;
    if (json_wanted) {
      list.push_back({{"path", shard.path.string()},
                      {"cells", shard.cells},
                      {"cells_new", shard.cells_new},
                      {"samples", shard.samples},
                      {"samples_new", shard.samples_new},
                      {"origins_new", shard.origins_new},
                      {"suite_members_new", shard.suite_members_new},
                      {"trainings", shard.trainings},
                      {"trainings_new", shard.trainings_new},
                      {"writer", shard.writer ? json::value(*shard.writer) : json::value(nullptr)},
                      {"conflicts", conflicts_json(shard.conflicts)},
                      {"training_conflicts", conflicts_json(shard.training_conflicts)}});
      continue;
    }
    for (const auto& conflict : shard.conflicts) print_conflict(conflict);
    for (const auto& conflict : shard.training_conflicts) print_conflict(conflict);
    std::cout << shard.path.string() << ": " << with_thousands(shard.samples_new) << " of "
              << with_thousands(shard.samples) << " samples and " << with_thousands(shard.cells_new)
              << " of " << with_thousands(shard.cells) << " cells are new in " << out.string();
    if (shard.trainings > 0) {
      std::cout << ", " << with_thousands(shard.trainings_new) << " of "
                << with_thousands(shard.trainings) << " training runs new or further on";
    }
    if (conflicts > 0) {
      std::cout << "; " << with_thousands(conflicts) << " conflicts, where what was there is kept";
    }
    if (shard.writer) std::cout << "; a run still writes it (" << *shard.writer << "): merge again";
    std::cout << '\n';
  }
  if (json_wanted) print_json({{"database", out.string()}, {"merged", std::move(list)}});
  return clash ? kExitSomeCellsFailed : kExitOk;
}

int run_merge(const Options& options) {
  const fs::path out = options.text("OUT");
  const auto lock = hold(out, "lethe merge");
  return report(store::merge_databases(out, paths(options.all("SHARD"))), out, options.has("json"));
}

int run_export(const Options& options) {
  const fs::path database = options.text("db", "lethe.db");
  fs::path out = options.text("out");
  if (fs::is_directory(out)) out /= database.stem().string() + ".jsonl";
  const auto counts = store::export_archive(database, out);
  json::object rows;
  for (const auto& [table, count] : counts) rows[table] = count;
  if (options.has("json")) {
    print_json({{"file", out.string()}, {"rows", std::move(rows)}});
    return kExitOk;
  }
  std::cout << "wrote " << out.string() << ": " << with_thousands(counts.at("cell")) << " cells, "
            << with_thousands(counts.at("sample")) << " samples";
  if (const auto trainings = counts.at("training"); trainings > 0) {
    std::cout << ", " << with_thousands(trainings) << " training runs";
  }
  std::cout << '\n';
  return kExitOk;
}

int run_import(const Options& options) {
  const fs::path database = options.text("db");
  const bool fresh = !fs::exists(database);
  const auto archives = paths(options.all("FILE"));
  const auto lock = hold(database, "lethe import");
  const auto merged = store::import_archives(database, archives);
  if (fresh && !options.has("json")) {
    std::cout << database.string() << " now holds what " << archives.front().string()
              << " was written from\n";
  }
  return report(merged, database, options.has("json"));
}

}  // namespace

Command merge_command() {
  CommandSpec spec;
  spec.name = "merge";
  spec.summary = "join result databases into one";
  spec.description =
      "Copies into OUT (created when missing) what it does not have of each SHARD. What is there\n"
      "stays: another result for the same sample is reported as a conflict, with exit code 1.\n"
      "Merging again changes nothing. Shards are only read.";
  spec.arguments = {{"OUT"}, {"SHARD", true, true}};
  spec.options = {{"json", "", "print what was new and every conflict as JSON"}};
  spec.examples = {
      {"two databases in one", "lethe merge all.db lethe.db report/smoke/results.db"},
      {"what is new by now, for another program", "lethe merge all.db lethe.db --json"}};
  return {spec, run_merge, {}};
}

Command export_command() {
  CommandSpec spec;
  spec.name = "export";
  spec.summary = "write a database as text that keeps every bit";
  spec.description =
      "JSON lines: a header, every row of every table, a hash. Equal contents give equal bytes.";
  spec.options = {{"db", "FILE", "result database (default lethe.db)"},
                  {"out", "DIR|FILE", "the archive; in a folder it is called like the database"},
                  {"json", "", "print what was written as JSON"}};
  spec.examples = {{"an archive to keep", "lethe export --db lethe.db --out lethe.jsonl"},
                   {"into a folder, packed",
                    "mkdir kept && lethe export --db lethe.db --out kept && gzip kept/*"}};
  return {spec, run_export, {}};
}

Command import_command() {
  CommandSpec spec;
  spec.name = "import";
  spec.summary = "bring archives of `lethe export` into a database";
  spec.description =
      "A new database becomes what the first archive was written from; everything else is joined\n"
      "as `lethe merge` does, with the same report and exit codes. A damaged archive is refused "
      "with\nthe number of the line, and changes nothing.";
  spec.arguments = {{"FILE", true, true}};
  spec.options = {{"db", "FILE", "result database, created when missing"},
                  {"json", "", "print what was new and every conflict as JSON"}};
  spec.examples = {{"an archive back into a database", "lethe import --db back.db lethe.jsonl"},
                   {"an archive joined to what is there", "lethe import --db all.db lethe.jsonl"}};
  return {spec, run_import, {}};
}

}  // namespace lethe::cli
