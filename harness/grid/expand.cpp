// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <optional>
#include <set>
#include <string_view>
#include <tuple>
#include <unordered_set>

#include "harness/base/error.h"
#include "harness/base/hash.h"
#include "harness/base/limits.h"
#include "harness/base/names.h"
#include "harness/base/version.h"
#include "harness/grid/resolved_axes.h"
#include "harness/grid/suite.h"

namespace lethe::grid {
namespace {

constexpr std::size_t kMaxCells = 1'000'000;

// Expansion looks at keys where they lie in cells, which move as the list grows.
static_assert(std::is_nothrow_move_constructible_v<Cell>);

void check_known(const Suite& suite, Axis axis, const char* what,
                 const std::vector<std::string>& known) {
  const auto check = [&](const Axes& axes, const std::string& context) {
    with_axis(axes, axis, [&](const auto& values) {
      if constexpr (std::is_same_v<std::decay_t<decltype(values)>, std::vector<std::string>>) {
        for (const auto& value : values) {
          if (std::find(known.begin(), known.end(), value) == known.end()) {
            throw unknown_name(ErrorKind::kConfig, context + what, value, known);
          }
        }
      }
    });
  };
  check(suite, "");
  for (const auto& entry : suite.overrides) check(entry.set, entry.where + ": ");
}

void check_axes(const Suite& suite) {
  check_known(suite, Axis::kDtypes, "dtype", {"float32", "bfloat16", "float64"});
  check_known(suite, Axis::kKvDtypes, "kv_dtype", {"same", "float32", "bfloat16", "int8"});
}

std::string samples_digest(const std::vector<SampleEntry>& samples) {
  json::array list;
  list.reserve(samples.size());
  for (const auto& sample : samples) {
    list.push_back(json::array{sample.id, sample.hash, sample.cluster});
  }
  return sha256_hex(lethe::canonical_json(list));
}

void check_samples(const TaskEntry& task, std::int64_t length) {
  const std::string where = "task " + task.name + " at length " + std::to_string(length);
  if (task.samples.empty()) throw Error(ErrorKind::kConfig, where + " has no samples");
  std::unordered_set<std::string_view> ids, hashes;
  for (const auto& sample : task.samples) {
    if (!ids.insert(sample.id).second || !hashes.insert(sample.hash).second) {
      throw Error(ErrorKind::kConfig,
                  where + ": sample " + sample.id + " appears twice (equal id or equal content)");
    }
  }
}

/// Canonical JSON of every value of an axis, so that it is not written anew for each cell.
template <typename T>
std::vector<std::string> canonical_values(const std::vector<T>& values) {
  std::vector<std::string> out;
  out.reserve(values.size());
  for (const auto& value : values) out.push_back(lethe::canonical_json(json::value(value)));
  return out;
}

/// Makes the cells of a walk. Cells of one model, task and length are neighbours and share what
/// they have in common.
class Expansion {
 public:
  Expansion(const Suite& suite, Catalogue& catalogue, const std::string& device_kind)
      : suite_(suite), catalogue_(catalogue), device_kind_(device_kind), axes_(suite, catalogue) {
    std::vector<std::string> policies;
    for (const auto& policy : axes_.policies()) policies.push_back(policy.text);
    canonical_[0] = canonical_values(axes_.numbers(Axis::kBudgets));
    canonical_[1] = canonical_values(axes_.texts(Axis::kDtypes));
    canonical_[2] = canonical_values(axes_.texts(Axis::kKvDtypes));
    canonical_[3] = canonical_values(policies);
    canonical_[4] = canonical_values(axes_.texts(Axis::kPositions));
    canonical_[5] = canonical_values(axes_.texts(Axis::kSchedules));
    canonical_[6] = canonical_values(axes_.numbers(Axis::kSeeds));
  }

  std::vector<Cell> run() {
    axes_.walk([this](const Point& point) { add(point); });
    if (!suite_.axes_replaced) axes_.check_all_used();
    if (cells_.empty()) {
      throw Error(ErrorKind::kConfig, "suite " + suite_.name + ": \"exclude\" drops every cell");
    }
    return std::move(cells_);
  }

 private:
  static std::size_t at(const Point& point, Axis axis) {
    return static_cast<std::size_t>(point[static_cast<std::size_t>(axis)]);
  }

  /// What the cells of the point's model, task and length have in common.
  void begin_group(const Point& point) {
    const ModelEntry& model = axes_.models()[at(point, Axis::kModels)];
    const auto& [name, options] = axes_.tasks()[at(point, Axis::kTasks)];
    const std::int64_t length = axes_.numbers(Axis::kLengths)[at(point, Axis::kLengths)];
    TaskEntry task = catalogue_.task(name, options, model, length);
    check_samples(task, length);
    prompt_ = task.prompt;
    generates_ = task.generates;
    cuts_input_ = task.cuts_input;
    group_ = {};
    group_.suite = suite_.name;
    group_.task = task.name;
    group_.model = model.name;
    group_.length = length;
    group_.task_options = Shared<json::object>(options);
    group_.model_path = Shared<std::string>(model.path);
    json::object common = {{"task", {{"name", task.name}, {"identity", std::move(task.identity)}}},
                           {"model", model.identity},
                           {"samples", samples_digest(task.samples)},
                           {"length", length},
                           {"device_kind", device_kind_},
                           {"rope_angles", float32_angles_hold(length) ? "hf32" : "f64"},
                           {"engine_version", kEngineVersion}};
    if (!task.chat_template_sha256.empty()) {
      common["chat_template_sha256"] = task.chat_template_sha256;
    }
    if (!task.end_ids.empty()) common["end_ids"] = task.end_ids;
    common_.clear();
    common_[""] = std::make_shared<const CellInputs::Common>(common);
    group_members_ = std::move(common);
    group_.samples = Shared<std::vector<SampleEntry>>(std::move(task.samples));
  }

  void add(const Point& point) {
    if (!group_point_ || !std::equal(point.begin(), point.begin() + 3, group_point_->begin())) {
      begin_group(point);
      group_point_ = point;
    }
    Cell cell = group_;
    const bool has_budget = point[static_cast<std::size_t>(Axis::kBudgets)] != kNoBudget;
    if (has_budget) {
      cell.budget = axes_.numbers(Axis::kBudgets)[at(point, Axis::kBudgets)];
    }
    cell.policy = axes_.policies()[at(point, Axis::kPolicies)].text;
    cell.schedule = axes_.texts(Axis::kSchedules)[at(point, Axis::kSchedules)];
    cell.positions = axes_.texts(Axis::kPositions)[at(point, Axis::kPositions)];
    cell.dtype = axes_.texts(Axis::kDtypes)[at(point, Axis::kDtypes)];
    cell.kv_dtype = axes_.texts(Axis::kKvDtypes)[at(point, Axis::kKvDtypes)];
    cell.seed = axes_.numbers(Axis::kSeeds)[at(point, Axis::kSeeds)];
    check(cell, point);
    cell.inputs = CellInputs(
        common_of(axes_.policies()[at(point, Axis::kPolicies)]),
        {has_budget ? std::string_view(canonical_[0][at(point, Axis::kBudgets)]) : "null",
         canonical_[1][at(point, Axis::kDtypes)], canonical_[2][at(point, Axis::kKvDtypes)],
         canonical_[3][at(point, Axis::kPolicies)], canonical_[4][at(point, Axis::kPositions)],
         canonical_[5][at(point, Axis::kSchedules)], canonical_[6][at(point, Axis::kSeeds)]});
    cell.key = sha256_hex(cell.inputs.canonical());
    if (cells_.size() == kMaxCells) {
      throw Error(ErrorKind::kConfig, "suite " + suite_.name + " has more than " +
                                          std::to_string(kMaxCells) + " cells; split it");
    }
    // The characters of a key stay where they are when its cell moves: a string holds so many
    // apart from itself.
    cells_.push_back(std::move(cell));
    if (!keys_.insert(cells_.back().key).second) cells_.pop_back();
  }

  /// The members that cells of policies have in common which come from the same library and name
  /// files of the same content; most have neither.
  const std::shared_ptr<const CellInputs::Common>& common_of(const PolicyEntry& policy) {
    auto& common = common_[policy.plugin_sha256 + policy.content_sha256];
    if (!common) {
      json::object members = group_members_;
      if (!policy.plugin_sha256.empty()) members["plugin_sha256"] = policy.plugin_sha256;
      if (!policy.content_sha256.empty()) members["policy_content_sha256"] = policy.content_sha256;
      common = std::make_shared<const CellInputs::Common>(std::move(members));
    }
    return common;
  }

  /// Asks the catalogue about every setting once. Tasks and seeds make no difference to it.
  void check(const Cell& cell, const Point& point) {
    const std::tuple key(at(point, Axis::kModels), at(point, Axis::kPolicies),
                         point[static_cast<std::size_t>(Axis::kBudgets)],
                         at(point, Axis::kSchedules), at(point, Axis::kPositions),
                         at(point, Axis::kDtypes), at(point, Axis::kKvDtypes), cell.length, prompt_,
                         generates_, cuts_input_);
    if (!checked_.insert(key).second) return;
    const ModelEntry& model = axes_.models()[at(point, Axis::kModels)];
    Setting setting;
    setting.policy = cell.policy;
    setting.schedule = cell.schedule;
    setting.positions = cell.positions;
    setting.dtype = cell.dtype;
    setting.kv_dtype = cell.kv_dtype;
    setting.device_kind = device_kind_;
    setting.budget = cell.budget;
    setting.length = cell.length;
    setting.prompt = prompt_;
    setting.generates = generates_;
    setting.cuts_input = cuts_input_;
    setting.kv_numbers = model.kv_numbers;
    setting.sliding_window = model.sliding_window;
    setting.sliding_numbers = model.sliding_numbers;
    setting.learned_positions = model.learned_positions;
    setting.memory_tokens = model.memory_tokens;
    try {
      catalogue_.check(setting);
    } catch (Error& error) {
      error.add_context("suite " + suite_.name);
      throw;
    }
  }

  const Suite& suite_;
  Catalogue& catalogue_;
  const std::string& device_kind_;
  ResolvedAxes axes_;
  /// By the order of CellInputs::kOwn.
  std::array<std::vector<std::string>, CellInputs::kOwn.size()> canonical_;
  std::optional<Point> group_point_;
  Cell group_;
  json::object group_members_;  ///< that the group's cells have in common
  std::map<std::string, std::shared_ptr<const CellInputs::Common>> common_;  ///< by those hashes
  std::int64_t prompt_ = 0;  ///< of the group's task
  bool generates_ = false;   ///< likewise
  bool cuts_input_ = false;  ///< likewise
  std::set<std::tuple<std::size_t, std::size_t, int, std::size_t, std::size_t, std::size_t,
                      std::size_t, std::int64_t, std::int64_t, bool, bool>>
      checked_;
  std::unordered_set<std::string_view> keys_;
  std::vector<Cell> cells_;
};

}  // namespace

std::vector<Cell> expand(const Suite& suite, Catalogue& catalogue, const std::string& device_kind) {
  if (suite.parts.empty()) {
    check_axes(suite);
    return Expansion(suite, catalogue, device_kind).run();
  }
  std::vector<Cell> cells;
  std::unordered_set<std::string> keys;
  for (const Suite& part : suite.parts) {
    for (Cell& cell : expand(part, catalogue, device_kind)) {
      if (keys.insert(cell.key).second) cells.push_back(std::move(cell));
    }
  }
  return cells;
}

}  // namespace lethe::grid
