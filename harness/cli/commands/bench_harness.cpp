// SPDX-License-Identifier: Apache-2.0
// lethe bench harness: what the harness itself costs. In `lethe`, because none of it needs a model.
#include <malloc.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <optional>

#include "harness/base/clock.h"
#include "harness/base/error.h"
#include "harness/base/hash.h"
#include "harness/base/text.h"
#include "harness/base/version.h"
#include "harness/cli/commands/bench_runs.h"
#include "harness/cli/commands/commands.h"
#include "harness/base/machine.h"
#include "harness/cli/output.h"
#include "harness/cli/root.h"
#include "harness/cli/scratch_folder.h"
#include "harness/runner/coordinator.h"
#include "harness/runner/planner.h"
#include "harness/runner/recorder.h"

namespace lethe::cli {

namespace {

namespace fs = std::filesystem;
using store::OpenMode;
using store::RunStore;

/// Seconds and growth of resident memory of a piece of work.
struct Cost {
  double seconds = 0;
  std::int64_t bytes = 0;
};

template <typename Work>
Cost measure(Work&& work) {
  malloc_trim(0);  // freed memory that stays resident would hide what the work takes
  reset_peak_resident_bytes();
  const std::int64_t before = resident_bytes();
  const double start = system_clock().steady_seconds();
  work();
  return {system_clock().steady_seconds() - start,
          std::max<std::int64_t>(0, peak_resident_bytes() - before)};
}

/// `count` cells of one sample each, with inputs as large as those of real cells.
std::vector<grid::Cell> make_cells(std::int64_t count) {
  const std::string some_hash = sha256_hex("");
  const auto common = std::make_shared<const grid::CellInputs::Common>(json::object{
      {"task", json::object{{"name", "bench"},
                            {"identity",
                             json::object{{"version", 1},
                                          {"windows", 1},
                                          {"books", json::array{json::object{
                                                        {"id", "1"}, {"sha256", some_hash}}}}}}}},
      {"model", json::object{{"weights_sha256", some_hash}, {"tokenizer_sha256", some_hash}}},
      {"samples", some_hash},
      {"length", 1024},
      {"device_kind", "cpu"},
      {"rope_angles", "hf32"},
      {"engine_version", kEngineVersion}});
  const grid::Shared<std::vector<grid::SampleEntry>> samples({{"1/0", some_hash, "1"}});
  std::vector<grid::Cell> cells(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) {
    auto& cell = cells[static_cast<std::size_t>(i)];
    const std::string seed = std::to_string(i);
    cell.inputs = grid::CellInputs(
        common, {"64", "\"float32\"", "\"same\"", "\"tova\"", "\"original\"", "\"exact\"", seed});
    cell.key = sha256_hex(canonical_json(cell.inputs));
    cell.suite = cell.task = "bench";
    cell.model = "none";
    cell.policy = "tova";
    cell.budget = 64;
    cell.schedule = "exact";
    cell.positions = "original";
    cell.dtype = "float32";
    cell.kv_dtype = "same";
    cell.length = 1024;
    cell.seed = i;
    cell.samples = samples;
  }
  return cells;
}

void add_cells(RunStore& store, std::span<const grid::Cell> cells) {
  std::vector<store::CellRecord> records;
  records.reserve(cells.size());
  for (const auto& cell : cells) records.push_back(runner::cell_record(cell));
  store.add_cells(records);
}

constexpr int kTraceValues = 32;
constexpr int kLayers = 4;

store::SampleRow make_row(const grid::Cell& cell, std::int64_t provenance, const std::string& id,
                          const std::string& hash) {
  store::SampleRow row{cell.key, provenance, {}};
  auto& record = row.record;
  record.sample_key = grid::sample_key(cell.key, hash);
  record.sample_id = id;
  record.sample_hash = hash;
  record.cluster = "1";
  record.tokens_in = record.tokens_seen = kTraceValues + 1;
  record.tokens_scored = kTraceValues;
  for (int i = 0; i < kTraceValues; ++i) {
    record.nll_trace.push_back(3 + std::sin(static_cast<float>(i) + static_cast<float>(cell.seed)));
  }
  record.nll_sum = 3.0 * kTraceValues;
  record.kept_min = record.kept_max = kTraceValues + 1;
  record.layers = "[";
  for (int i = 0; i < kLayers; ++i) {
    record.layers +=
        std::string(i ? "," : "") + R"({"seen":33,"evicted":0,"kept_min":33,"kept_max":33})";
  }
  record.layers += "]";
  record.kv_bytes = record.peak_bytes = 65536;
  record.prefill_tokens_per_s = 1e4;
  record.seconds = 0.0033;
  return row;
}

std::int64_t begin_run(RunStore& store) {
  store::ProvenanceRecord record;
  record.version = version().version;
  record.git_commit = version().git_commit;
  record.device = "none";
  record.command = "lethe bench harness";
  return store.begin_run(record);
}

/// Rows per second through the coordinator's own group commit.
double writer_rate(const fs::path& database, std::int64_t rows) {
  constexpr std::int64_t kBatch = 10'000;  // rows made at a time, outside the measurement
  auto store = RunStore::open(database, OpenMode::kReadWriteCreate);
  const auto cells = make_cells(100);
  add_cells(store, cells);
  const auto provenance = begin_run(store);
  runner::RunReport report;
  const runner::RunOptions options;
  runner::Recorder recorder(store, options, report);
  double seconds = 0;
  for (std::int64_t begin = 0; begin < rows; begin += kBatch) {
    std::vector<store::SampleRow> batch;
    for (std::int64_t i = begin; i < std::min(rows, begin + kBatch); ++i) {
      // As workers send them: cell after cell.
      const auto& cell =
          cells[static_cast<std::size_t>(i) * cells.size() / static_cast<std::size_t>(rows)];
      const auto id = std::to_string(i);
      batch.push_back(make_row(cell, provenance, id, sha256_hex(id)));
    }
    const double start = system_clock().steady_seconds();
    for (auto& row : batch) {
      recorder.add(std::move(row), {});
      recorder.commit_if_due(false);
    }
    recorder.commit();
    seconds += system_clock().steady_seconds() - start;
  }
  LETHE_ASSERT(report.samples_done == rows, "the writer stored another number of rows");
  return static_cast<double>(rows) / seconds;
}

/// Stores the one sample of every cell.
void fill(RunStore& store, std::span<const grid::Cell> cells) {
  constexpr std::size_t kBatch = 2'000;
  const auto provenance = begin_run(store);
  for (std::size_t begin = 0; begin < cells.size(); begin += kBatch) {
    std::vector<store::SampleRow> rows;
    for (const auto& cell : cells.subspan(begin, std::min(kBatch, cells.size() - begin))) {
      const auto& sample = *cell.samples.begin();
      rows.push_back(make_row(cell, provenance, sample.id, sample.hash));
    }
    store.add_samples(rows);
  }
}

Cost plan_cost(RunStore& store, std::span<const grid::Cell> cells, std::size_t jobs) {
  runner::Plan plan;
  const Cost cost = measure([&] { plan = runner::plan_jobs(cells, &store); });
  LETHE_ASSERT(plan.jobs.size() == jobs, "the plan has another number of jobs");
  return cost;
}

/// A whole run over cells that are done: opening, planning, ending; no worker.
Cost second_run_cost(const fs::path& database, const std::vector<grid::Cell>& cells) {
  {
    auto store = RunStore::open(database, OpenMode::kReadWriteCreate);
    add_cells(store, cells);
    fill(store, cells);
    for (const auto& cell : cells) store.set_cell_status(cell.key, store::CellStatus::kDone);
  }
  return measure([&] {
    auto store = RunStore::open(database, OpenMode::kReadWriteCreate);
    runner::RunOptions options;
    options.worker_command = {"false"};  // asked for a worker, the run would fail
    options.handle_signals = false;
    const auto report = runner::run_grid(cells, store, options);
    LETHE_ASSERT(report.cells_cached == static_cast<std::int64_t>(cells.size()),
                 "the second run found work to do");
  });
}

std::vector<OptionSpec> harness_options() {
  return {
      {"rows", "N", "harness: sample rows through the writer (default 200000)"},
      {"cells", "N", "harness: cells of the plan (default 100000)"},
      {"overhead-cells", "N", "harness: cells of the real run (default 8; 0: none)"},
      {"dir", "FOLDER", "harness: where the temporary databases go (default: $TMPDIR or /tmp)"}};
}

int run(const Options& options) {
  const auto rows = options.integer("rows", 200'000, 1, 100'000'000);
  const auto count = options.integer("cells", 100'000, 1, 1'000'000);
  const ScratchFolder folder(options.has("dir") ? fs::path(options.text("dir"))
                                                : fs::temp_directory_path());
  const double rate = writer_rate(folder / "writer.db", rows);
  Cost fresh, done;
  {
    const auto cells = make_cells(count);
    auto store = RunStore::open(folder / "plan.db", OpenMode::kReadWriteCreate);
    fresh = plan_cost(store, cells, cells.size());
    add_cells(store, cells);
    fill(store, cells);
    done = plan_cost(store, cells, 0);
  }
  const auto second_cells = make_cells(std::min<std::int64_t>(count, 1000));
  const Cost second = second_run_cost(folder / "second.db", second_cells);
  constexpr int kDevices = 8, kCellsPerDevice = 20, kCellMs = 250;
  const double busy =
      busy_share(folder.path(), make_cells(kDevices * kCellsPerDevice), kDevices, kCellMs);
  const auto overhead_cells = options.integer("overhead-cells", 8, 0, 10'000);
  std::optional<double> overhead;
  if (overhead_cells > 0) overhead = run_overhead(folder.path(), overhead_cells);
  if (options.has("json")) {
    print_json({{"benchmark", "harness"},
                {"cpu", cpu_name()},
                {"version", version().version},
                {"commit", version().git_commit},
                {"build_type", version().build_type},
                {"writer_rows", rows},
                {"writer_trace_values", kTraceValues},
                {"writer_rows_per_s", rate},
                {"plan_cells", count},
                {"plan_fresh_seconds", fresh.seconds},
                {"plan_fresh_bytes", fresh.bytes},
                {"plan_done_seconds", done.seconds},
                {"plan_done_bytes", done.bytes},
                {"second_run_cells", second_cells.size()},
                {"second_run_seconds", second.seconds},
                {"queue_devices", kDevices},
                {"queue_busy_share", busy},
                {"overhead_cells", overhead_cells},
                {"overhead_share", overhead ? json::value(*overhead) : json::value()}});
    return kExitOk;
  }
  const auto line = [](const Cost& cost) {
    return fixed(cost.seconds, 3) + " s, " + human_bytes(static_cast<double>(cost.bytes));
  };
  std::cout << cpu_name()
            << "\n\nwriter with group commit: " << with_thousands(static_cast<std::int64_t>(rate))
            << " rows/s (" << with_thousands(rows) << " rows with " << kTraceValues
            << "-token traces)\nplan of " << with_thousands(count)
            << " cells, nothing done: " << line(fresh) << "\nplan of " << with_thousands(count)
            << " cells, all done: " << line(done) << "\nsecond run of "
            << with_thousands(static_cast<std::int64_t>(second_cells.size()))
            << " done cells: " << fixed(second.seconds, 3) << " s\n"
            << kDevices << " simulated devices, " << kCellsPerDevice << " cells of " << kCellMs
            << " ms each: busy " << fixed(100 * busy, 1) << " % of the time\n";
  if (overhead) {
    std::cout << "a run of " << overhead_cells
              << " cells of 1,024 tokens: " << fixed(100 * *overhead, 2)
              << " % beyond the evaluations\n";
  }
  return kExitOk;
}

/// The first word that is no option.
std::string benchmark_name(const std::vector<std::string>& words) {
  const auto found = std::find_if(words.begin(), words.end(),
                                  [](const auto& word) { return word.rfind("--", 0) != 0; });
  return found == words.end() ? "" : *found;
}

const OptionSpec kTextBytes{
    "bytes", "N",
    "scorers: bytes of an answer (default 100000); tokenizers: of a text (default 1000000)"};

int dispatch(const std::vector<std::string>& words) {
  if (!words.empty() && words.front() == "simulated-worker") {
    return run_simulated_worker({words.begin() + 1, words.end()});
  }
  const auto name = benchmark_name(words);
  if (name == "scorers") {
    return bench_scorers(parse_options({kTextBytes, {"json", "", "a JSON array instead of lines"}},
                                       {{"WHAT"}}, words));
  }
  if (name == "tokenizers") {
    return bench_tokenizers(
        parse_options({{"model", "MODEL", "registered name, GGUF file or Hugging Face folder"},
                       kTextBytes,
                       {"json", "", "a JSON array instead of lines"}},
                      {{"WHAT"}}, words));
  }
  if (name != "harness") return exec_engine("bench", words);
  auto known = harness_options();
  known.push_back({"json", "", "one JSON object instead of lines"});
  return run(parse_options(known, {{"WHAT"}}, words));
}

}  // namespace

Command bench_command() {
  CommandSpec spec = bench_spec();
  spec.summary = "how fast the exact scan and the harness are";
  spec.description +=
      "\n\nbench harness: rows per second of the database's writer, time and memory of planning, "
      "time\n"
      "of a second run, how busy a queue keeps eight (simulated) devices, and what a run of real "
      "cells\n"
      "adds to its evaluations. Takes the options marked so, and --json.\n\n"
      "bench scorers: seconds that each metric takes for long answers of hard shapes. Takes "
      "--bytes\n"
      "and --json.\n\n"
      "bench tokenizers: seconds that a model's tokenizer takes for long texts of hard shapes. "
      "Takes\n"
      "--model, --bytes and --json.";
  const auto own = harness_options();
  spec.options.insert(spec.options.end() - 1, own.begin(), own.end());
  spec.options.insert(spec.options.end() - 1, kTextBytes);
  spec.examples.push_back({"the cost of the harness, small",
                           "lethe bench harness --rows 2000 --cells 1000 --overhead-cells 1"});
  spec.examples.push_back(
      {"the metrics, on answers of 10 KB", "lethe bench scorers --bytes 10000"});
  spec.examples.push_back(
      {"the default model's tokenizer, on texts of a megabyte", "lethe bench tokenizers"});
  return {std::move(spec), {}, dispatch};
}

}  // namespace lethe::cli
