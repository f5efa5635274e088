// SPDX-License-Identifier: Apache-2.0
#include "harness/grid/axes.h"

#include <algorithm>
#include <unordered_set>

#include "harness/base/error.h"
#include "harness/base/names.h"

namespace lethe::grid {
namespace {

constexpr std::size_t kMaxValues = 1'000'000;

[[noreturn]] void bad(const std::string& where, const std::string& why) {
  throw Error(ErrorKind::kConfig, where + ": " + why);
}

std::string place(const std::string& where, std::size_t index) {
  return where + "[" + std::to_string(index) + "]";
}

template <typename T>
void drop_repeats(std::vector<T>& values) {
  std::unordered_set<T> seen;
  std::erase_if(values, [&](const T& value) { return !seen.insert(value).second; });
}

std::int64_t least(Axis axis) {
  if (axis == Axis::kLengths) return 2;
  return axis == Axis::kBudgets ? 1 : 0;
}

void read(Axis axis, const json::array& items, const std::string& where,
          std::vector<std::int64_t>& out) {
  for (std::size_t i = 0; i < items.size(); ++i) {
    const auto part = read_numbers(axis, items[i], place(where, i));
    out.insert(out.end(), part.begin(), part.end());
    if (out.size() > kMaxValues) {
      bad(where, "more than " + std::to_string(kMaxValues) + " values");
    }
  }
  drop_repeats(out);
}

void read(Axis, const json::array& items, const std::string& where, std::vector<std::string>& out) {
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (!items[i].is_string()) {
      bad(place(where, i), "expected a string, found " + std::string(describe_type(items[i])));
    }
    if (items[i].get_string().empty()) {
      bad(place(where, i), "expected a name, found an empty text");
    }
    out.emplace_back(items[i].get_string());
  }
  drop_repeats(out);
}

void read(Axis, const json::array& items, const std::string& where, std::vector<TaskChoice>& out) {
  for (std::size_t i = 0; i < items.size(); ++i) {
    TaskChoice task;
    if (items[i].is_string()) {
      task.first = std::string(items[i].get_string());
    } else {
      // Which options a task knows is for the task to check.
      task.first = ObjectReader(items[i], place(where, i), ErrorKind::kConfig).string("name");
      task.second = items[i].get_object();
      task.second.stable_erase(task.second.find("name"));
    }
    if (task.first.empty()) {
      bad(place(where, i), "expected the name of a task, found an empty text");
    }
    if (std::find(out.begin(), out.end(), task) == out.end()) out.push_back(std::move(task));
  }
}

}  // namespace

std::string axis_name(Axis axis) {
  return std::string(kAxisNames[static_cast<std::size_t>(axis)]);
}

bool has_axis(const Axes& axes, Axis axis) {
  return with_axis(axes, axis, [](const auto& values) { return !values.empty(); });
}

void copy_axis(const Axes& from, Axis axis, Axes& to) {
  with_axis(from, axis, [&](const auto& values) {
    with_axis(to, axis, [&](auto& target) {
      if constexpr (std::is_same_v<std::decay_t<decltype(values)>,
                                   std::decay_t<decltype(target)>>) {
        target = values;
      }
    });
  });
}

Axis find_axis(std::string_view name, const std::string& where) {
  const auto found = std::find(kAxisNames.begin(), kAxisNames.end(), name);
  if (found != kAxisNames.end()) return static_cast<Axis>(found - kAxisNames.begin());
  const std::vector<std::string> known(kAxisNames.begin(), kAxisNames.end());
  throw unknown_name(ErrorKind::kConfig, where, name, known);
}

void read_axis(Axis axis, const json::array& items, const std::string& where, Axes& out) {
  if (items.empty()) bad(where, "expected at least one value, found none");
  with_axis(out, axis, [&](auto& values) {
    values.clear();
    read(axis, items, where, values);
  });
}

std::vector<std::int64_t> read_numbers(Axis axis, const json::value& item,
                                       const std::string& where) {
  std::vector<std::int64_t> values;
  if (item.is_int64()) {
    values = {item.get_int64()};
  } else if (item.is_string()) {
    values = expand_range(std::string_view(item.get_string()), where);
  } else if (item.is_uint64()) {
    bad(where, std::to_string(item.get_uint64()) + " is too large");
  } else {
    bad(where, "expected an integer or a range such as \"64..4096*2\", found " +
                   std::string(describe_type(item)));
  }
  for (const auto value : values) {
    if (value < least(axis)) {
      bad(where,
          "expected at least " + std::to_string(least(axis)) + ", found " + std::to_string(value));
    }
  }
  return values;
}

}  // namespace lethe::grid
