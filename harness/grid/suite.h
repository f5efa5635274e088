// SPDX-License-Identifier: Apache-2.0
// Suite files: a JSON description of a grid, expanded into cells.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "harness/grid/axes.h"
#include "harness/grid/catalogue.h"
#include "harness/grid/cell.h"

namespace lethe::grid {

/// One value that a condition names, as written.
struct NamedValue {
  std::string where;                  ///< "suite.json: exclude[0]: budgets[1]"
  std::string text;                   ///< a name, a number or a range
  std::vector<std::int64_t> numbers;  ///< of an integer axis
};

/// Picks cells: those that have one of the named values on every axis named.
using Condition = std::map<Axis, std::vector<NamedValue>>;

/// An axis that takes other values in part of the grid.
struct AxisOverride {
  std::string where;  ///< "suite.json: overrides[0]"
  Condition when;     ///< names axes that come before those in `set`
  Axes set;
};

struct Exclusion {
  std::string where;  ///< "suite.json: exclude[0]"
  Condition cells;
};

/// Checkpoints that a suite needs and that are trained, not shipped: a model of the suite called
/// "checkpoints/RECIPE-SEED" is the one trained by the recipe with the seed; so are the parameters
/// of a policy "namm:weights=checkpoints/RECIPE-SEED", of kind "namm".
struct TrainingWanted {
  std::string kind = "rmt";  ///< "rmt" or "namm"
  std::string recipe;
  std::vector<std::int64_t> seeds;
};

/// A suite as written.
///
/// {
///   "include": ["base.json"],
///   "name": "quick", "title": "…", "report": "perplexity",
///   "plugins": ["build/libmine.so"],   (relative to the file that names them)
///   "models": ["smollm2-135m"], "tasks": [{"name": "pg19", "books": [...], "windows": 1}],
///   "policies": ["full", "window", "window:sinks=4", "h2o", "tova"],
///   "budgets": ["128..2048*2"], "lengths": [2048], "schedules": ["exact"],
///   "positions": ["original"], "dtypes": ["float32"], "kv_dtypes": ["same"], "seeds": [0],
///   "overrides": [{"when": {"policies": ["full"]}, "set": {"dtypes": ["float64"]}}],
///   "exclude": [{"policies": ["h2o"], "budgets": [128]}],
///   "parts": [{"lengths": [4096], "policies": ["tova"]}, …],
///   "train": [{"recipe": "detect", "seeds": [1, 2, 3]}]
/// }
struct Suite : Axes {
  std::string name;
  std::string title;
  std::string report;  ///< which report `reproduce` writes from it; "" for none
  std::vector<std::filesystem::path> plugins;  ///< libraries of policies, absolute
  /// What `lethe reproduce` trains before it runs: {"kind", "recipe", "seeds"} each.
  std::vector<TrainingWanted> train;
  /// Grids that the suite is made of instead of one: each has the suite's axes, overrides and
  /// exclusions but for those it states itself. Their cells follow one another.
  std::vector<Suite> parts;
  std::vector<AxisOverride> overrides;
  std::vector<Exclusion> exclude;
  /// Axes came from the command line, so that overrides and exclusions may have nothing left to
  /// match; `replaced` holds what those axes were, for telling that from a misspelt value.
  bool axes_replaced = false;
  Axes replaced;
  /// Of the file as read; with includes, of the list of the SHA-256 of every file in the order of
  /// reading.
  std::string sha256;
};

/// Axis override from the command line (`--set policies=tova,window`): replaces the axis; overrides
/// and exclusions of the suite still apply. A part "key=value" continues the policy before it, so
/// `policies=snapkv:window=64,kernel=5,tova` is two policies. `tasks=pg19` keeps the options that
/// the suite gives that task.
using Overrides = std::vector<std::pair<std::string, std::string>>;

/// Reads a suite. The members of included files are defaults, which the including file replaces
/// whole; later includes win over earlier ones. An include is a path relative to the file that
/// names it, or the name of a suite in `shipped` (a folder; may be empty).
///
/// Throws Error(kConfig) that names file, member and value: misspelt axes (with a suggestion),
/// empty axes, budgets below 1, lengths below 2, malformed ranges, an override that sets an axis by
/// a later one; missing files and cycles of includes, with the chain that led there.
Suite read_suite(const std::filesystem::path& path, const Overrides& overrides,
                 const std::filesystem::path& shipped = {});

/// Product of the axes, checked against the catalogue; policies without a budget appear once. An
/// axis has the values of the last override that matches, else those of the suite; a cell that an
/// exclusion matches is dropped. Ordered by model, task, length and so on in the order of Axis.
/// Task values are matched by name, models and policies by what their text stands for.
///
/// Throws before any work: the catalogue's errors; Error(kConfig) for a schedule, positions, dtype
/// or KV dtype this version does not know (with the known ones), a policy that needs a budget where
/// there is none, a task without samples, more than 1,000,000 cells or none, a condition that names
/// a value its axis does not have (with a suggestion), and, unless axes were replaced from the
/// command line, an exclusion that matches no cell or an override that never applies. Axis values
/// that mean the same cell (aliases) give one cell.
std::vector<Cell> expand(const Suite& suite, Catalogue& catalogue, const std::string& device_kind);

}  // namespace lethe::grid
