// SPDX-License-Identifier: Apache-2.0
// Suite files: a JSON description of a grid, expanded into cells.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "harness/base/json.h"
#include "harness/grid/catalogue.h"

namespace lethe::grid {

/// The axes of a suite as written: lists already expanded ("64..4096*2" -> 64, 128, …).
///
/// {
///   "name": "quick", "title": "…", "report": "perplexity",
///   "models": ["smollm2-135m"], "tasks": [{"name": "pg19", "books": [...], "windows": 1}],
///   "policies": ["full", "window", "window:sinks=4", "h2o", "tova"],
///   "budgets": ["128..2048*2"], "lengths": [2048], "schedules": ["exact"],
///   "positions": ["original"], "dtypes": ["float32"], "kv_dtypes": ["same"], "seeds": [0]
/// }
struct Suite {
  std::string name;
  std::string title;
  std::string report;  ///< which report `reproduce` writes from it; "" for none
  std::vector<std::string> models;
  std::vector<std::pair<std::string, json::object>> tasks;  ///< name, options
  std::vector<std::string> policies;
  std::vector<std::int64_t> budgets;
  std::vector<std::int64_t> lengths;
  std::vector<std::string> schedules;
  std::vector<std::string> positions;
  std::vector<std::string> dtypes;
  std::vector<std::string> kv_dtypes;
  std::vector<std::int64_t> seeds;
  std::string sha256;  ///< of the file as read
};

/// Axis override from the command line (`--set policies=tova,window`): replaces the axis. A part
/// "key=value" continues the policy before it, so `policies=snapkv:window=64,kernel=5,tova` is two
/// policies. `tasks=pg19` keeps the options that the suite gives that task.
using Overrides = std::vector<std::pair<std::string, std::string>>;

/// Reads a suite. Throws Error(kConfig) that names file, member and value: misspelt axes (with a
/// suggestion), empty axes, budgets below 1, lengths below 2, malformed ranges.
Suite read_suite(const std::filesystem::path& path, const Overrides& overrides);

/// Expands one range text: "64..4096*2" (geometric), "0..100+25" (arithmetic), "1..5" (step 1),
/// "7".
std::vector<std::int64_t> expand_range(std::string_view text, std::string_view where);

/// One point of the grid, with everything a worker needs and everything the key covers.
///
/// `inputs`: {"task": {"name", "identity"}, "model": <identity>, "samples": SHA-256 over the
/// ordered [id, hash, cluster] of the samples, "policy": canonical text, "budget": integer or null,
/// "schedule", "positions", "length", "dtype", "kv_dtype", "seed", "device_kind": "cpu" | "cuda",
/// "rope_angles": "hf32" | "f64", "engine_version"}.
struct Cell {
  std::string key;      ///< SHA-256 of canonical_json(inputs)
  json::object inputs;  ///< what the key is hashed over
  std::string suite, task, model, policy, schedule, positions, dtype, kv_dtype;
  std::optional<std::int64_t> budget;  ///< none where the policy takes none
  std::int64_t length = 0;
  std::int64_t seed = 0;
  json::object task_options;  ///< as the suite gives them, without "name"
  std::string model_path;
  std::vector<SampleEntry> samples;

  /// "pg19/smollm2-135m/tova:budget=256/length=2048/exact/original/float32/seed=0": for filters,
  /// logs and people.
  std::string label() const;
};

/// Key of sample `hash` in cell `key`.
std::string sample_key(const std::string& cell_key, const std::string& sample_hash);

/// Cartesian product of the axes, checked against the catalogue; policies without a budget appear
/// once. Ordered so that cells of one model, task and length are neighbours. Throws before any
/// work: the catalogue's errors; Error(kConfig) for a schedule, positions, dtype or KV dtype this
/// version does not know (with the known ones), a policy that needs a budget in a suite without
/// budgets, a task without samples, more than 1,000,000 cells. Axis values that mean the same cell
/// (aliases) give one cell.
std::vector<Cell> expand(const Suite& suite, Catalogue& catalogue, const std::string& device_kind);

}  // namespace lethe::grid
