// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <unordered_set>

#include "harness/base/error.h"
#include "harness/base/hash.h"
#include "harness/base/limits.h"
#include "harness/base/names.h"
#include "harness/base/version.h"
#include "harness/grid/suite.h"

namespace lethe::grid {
namespace {

constexpr std::size_t kMaxCells = 1'000'000;

// Up to here rotary angles are formed as the transformers library does; beyond, a float32 product
// is too coarse (DESIGN §1).

void check_known(const std::vector<std::string>& values, const char* what,
                 const std::vector<std::string>& known) {
  for (const auto& value : values) {
    if (std::find(known.begin(), known.end(), value) == known.end()) {
      throw unknown_name(ErrorKind::kConfig, what, value, known);
    }
  }
}

void check_axes(const Suite& suite) {
  check_known(suite.schedules, "schedule", {"exact"});
  check_known(suite.positions, "positions", {"original"});
  check_known(suite.dtypes, "dtype", {"float32", "bfloat16", "float64"});
  check_known(suite.kv_dtypes, "kv_dtype", {"same"});
}

std::string samples_digest(const std::vector<SampleEntry>& samples) {
  json::array list;
  list.reserve(samples.size());
  for (const auto& sample : samples) {
    list.push_back(json::array{sample.id, sample.hash, sample.cluster});
  }
  return sha256_hex(canonical_json(list));
}

void check_samples(const TaskEntry& task, std::int64_t length) {
  const std::string where = "task " + task.name + " at length " + std::to_string(length);
  if (task.samples.empty()) throw Error(ErrorKind::kConfig, where + " has no samples");
  std::unordered_set<std::string> ids, hashes;
  for (const auto& sample : task.samples) {
    if (!ids.insert(sample.id).second || !hashes.insert(sample.hash).second) {
      throw Error(ErrorKind::kConfig,
                  where + ": sample " + sample.id + " appears twice (equal id or equal content)");
    }
  }
}

// Builds the cells of one model, task and length.
class Expansion {
 public:
  Expansion(const Suite& suite, const std::string& device_kind)
      : suite_(suite), device_kind_(device_kind) {}

  void add(const ModelEntry& model, const TaskEntry& task, const json::object& task_options,
           std::int64_t length, const std::vector<PolicyEntry>& policies) {
    Cell cell;
    cell.suite = suite_.name;
    cell.task = task.name;
    cell.model = model.name;
    cell.length = length;
    cell.task_options = task_options;
    cell.model_path = model.path;
    cell.samples = task.samples;
    cell.inputs = {{"task", {{"name", task.name}, {"identity", task.identity}}},
                   {"model", model.identity},
                   {"samples", samples_digest(task.samples)},
                   {"length", length},
                   {"device_kind", device_kind_},
                   {"rope_angles", length <= kLongestFloat32Angles ? "hf32" : "f64"},
                   {"engine_version", kEngineVersion}};
    for (const auto& policy : policies) {
      cell.policy = policy.text;
      for (const auto& budget : budgets(policy)) {
        cell.budget = budget;
        add_variants(cell);
      }
    }
  }

  std::vector<Cell> take() { return std::move(cells_); }

 private:
  std::vector<std::optional<std::int64_t>> budgets(const PolicyEntry& policy) const {
    if (!policy.takes_budget) return {std::nullopt};
    if (suite_.budgets.empty()) {
      throw Error(ErrorKind::kConfig, "suite " + suite_.name + ": policy " + policy.text +
                                          " needs a budget; give the suite \"budgets\"");
    }
    return {suite_.budgets.begin(), suite_.budgets.end()};
  }

  void add_variants(Cell cell) {
    for (const auto& schedule : suite_.schedules) {
      for (const auto& positions : suite_.positions) {
        for (const auto& dtype : suite_.dtypes) {
          for (const auto& kv_dtype : suite_.kv_dtypes) {
            for (const auto seed : suite_.seeds) {
              cell.schedule = schedule;
              cell.positions = positions;
              cell.dtype = dtype;
              cell.kv_dtype = kv_dtype;
              cell.seed = seed;
              finish(cell);
            }
          }
        }
      }
    }
  }

  void finish(Cell cell) {
    cell.inputs["policy"] = cell.policy;
    cell.inputs["budget"] = cell.budget ? json::value(*cell.budget) : json::value();
    cell.inputs["schedule"] = cell.schedule;
    cell.inputs["positions"] = cell.positions;
    cell.inputs["dtype"] = cell.dtype;
    cell.inputs["kv_dtype"] = cell.kv_dtype;
    cell.inputs["seed"] = cell.seed;
    cell.key = sha256_hex(canonical_json(cell.inputs));
    if (!keys_.insert(cell.key).second) return;
    if (cells_.size() == kMaxCells) {
      throw Error(ErrorKind::kConfig, "suite " + suite_.name + " has more than " +
                                          std::to_string(kMaxCells) + " cells; split it");
    }
    cells_.push_back(std::move(cell));
  }

  const Suite& suite_;
  const std::string& device_kind_;
  std::unordered_set<std::string> keys_;
  std::vector<Cell> cells_;
};

}  // namespace

std::string Cell::label() const {
  std::string out = task + "/" + model + "/" + policy;
  if (budget) {
    out += policy.find(':') == std::string::npos ? ":" : ",";
    out += "budget=" + std::to_string(*budget);
  }
  out += "/length=" + std::to_string(length) + "/" + schedule + "/" + positions + "/" + dtype;
  if (kv_dtype != "same") out += "/kv=" + kv_dtype;
  return out + "/seed=" + std::to_string(seed);
}

std::string sample_key(const std::string& cell_key, const std::string& sample_hash) {
  return sha256_hex(cell_key + "/" + sample_hash);
}

std::vector<Cell> expand(const Suite& suite, Catalogue& catalogue, const std::string& device_kind) {
  check_axes(suite);
  std::vector<PolicyEntry> policies;
  for (const auto& text : suite.policies) policies.push_back(catalogue.policy(text));
  std::vector<ModelEntry> models;
  for (const auto& name : suite.models) models.push_back(catalogue.model(name));
  Expansion expansion(suite, device_kind);
  for (const auto& model : models) {
    for (const auto& [name, options] : suite.tasks) {
      for (const auto length : suite.lengths) {
        const TaskEntry task = catalogue.task(name, options, model, length);
        check_samples(task, length);
        expansion.add(model, task, options, length, policies);
      }
    }
  }
  return expansion.take();
}

}  // namespace lethe::grid
