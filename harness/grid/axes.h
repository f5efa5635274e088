// SPDX-License-Identifier: Apache-2.0
// The axes of a grid: their order, and the values a suite gives them.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "harness/base/json.h"

namespace lethe::grid {

/// In the order in which they are expanded. What an override sets may depend on earlier axes only.
enum class Axis : std::uint8_t {
  kModels,
  kTasks,
  kLengths,
  kPolicies,
  kBudgets,
  kSchedules,
  kPositions,
  kDtypes,
  kKvDtypes,
  kSeeds,
};

/// Names as a suite writes them ("models", "tasks", …), indexed by Axis.
inline constexpr std::array<std::string_view, 10> kAxisNames = {
    "models",    "tasks",     "lengths", "policies",  "budgets",
    "schedules", "positions", "dtypes",  "kv_dtypes", "seeds"};
inline constexpr std::size_t kAxes = kAxisNames.size();

/// A task as a suite names it: its name and its options.
using TaskChoice = std::pair<std::string, json::object>;

/// Values per axis, ranges expanded ("64..4096*2" -> 64, 128, …), without repeats. An empty list
/// stands for an axis that was not given.
struct Axes {
  std::vector<std::string> models;
  std::vector<TaskChoice> tasks;  ///< name, options
  std::vector<std::string> policies;
  std::vector<std::int64_t> budgets;
  std::vector<std::int64_t> lengths;
  std::vector<std::string> schedules;
  std::vector<std::string> positions;
  std::vector<std::string> dtypes;
  std::vector<std::string> kv_dtypes;
  std::vector<std::int64_t> seeds;
};

/// Calls `use` with the list of `axis`, whatever its type. `axes` is an Axes, const or not.
template <typename AxesType, typename Use>
decltype(auto) with_axis(AxesType& axes, Axis axis, Use&& use) {
  switch (axis) {
    case Axis::kModels:
      return use(axes.models);
    case Axis::kTasks:
      return use(axes.tasks);
    case Axis::kLengths:
      return use(axes.lengths);
    case Axis::kPolicies:
      return use(axes.policies);
    case Axis::kBudgets:
      return use(axes.budgets);
    case Axis::kSchedules:
      return use(axes.schedules);
    case Axis::kPositions:
      return use(axes.positions);
    case Axis::kDtypes:
      return use(axes.dtypes);
    case Axis::kKvDtypes:
      return use(axes.kv_dtypes);
    case Axis::kSeeds:
      break;
  }
  return use(axes.seeds);
}

/// Whether the values of `axis` are integers.
constexpr bool is_integer_axis(Axis axis) {
  return axis == Axis::kLengths || axis == Axis::kBudgets || axis == Axis::kSeeds;
}

std::string axis_name(Axis axis);
bool has_axis(const Axes& axes, Axis axis);
/// Replaces one axis of `to` by that of `from`.
void copy_axis(const Axes& from, Axis axis, Axes& to);

/// The axis called `name`. Throws Error(kConfig), "WHERE 'NAME' is unknown …", with a suggestion.
Axis find_axis(std::string_view name, const std::string& where);

/// Reads the values of `axis` from a suite into `out`. Throws Error(kConfig) that begins with
/// `where`: no value, a wrong type, a malformed range, a number below the least the axis takes.
void read_axis(Axis axis, const json::array& items, const std::string& where, Axes& out);

/// Numbers of one item of an integer axis: an integer, or a range as a text. Throws as read_axis().
std::vector<std::int64_t> read_numbers(Axis axis, const json::value& item,
                                       const std::string& where);

/// Expands one range text: "64..4096*2" (geometric), "2^6..2^12" (every power of 2 between),
/// "0..100+25" (arithmetic), "1..5" (step 1), "7". Any number may be written as a power. Throws
/// Error(kConfig) that begins with `where`.
std::vector<std::int64_t> expand_range(std::string_view text, std::string_view where);

}  // namespace lethe::grid
