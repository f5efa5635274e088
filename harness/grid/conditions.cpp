// SPDX-License-Identifier: Apache-2.0
#include "harness/grid/conditions.h"

#include "harness/base/error.h"
#include "harness/base/names.h"

namespace lethe::grid {
namespace {

[[noreturn]] void bad(const std::string& where, const std::string& why) {
  throw Error(ErrorKind::kConfig, where + ": " + why);
}

const json::object& object_of(const json::value& value, const std::string& where) {
  if (!value.is_object()) {
    bad(where, "expected an object, found " + std::string(describe_type(value)));
  }
  if (value.get_object().empty()) bad(where, "expected at least one axis, found none");
  return value.get_object();
}

const json::array& array_of(const json::value& value, const std::string& where) {
  if (!value.is_array()) {
    bad(where, "expected an array, found " + std::string(describe_type(value)));
  }
  return value.get_array();
}

NamedValue read_named(Axis axis, const json::value& item, const std::string& where) {
  NamedValue out{where, {}, {}};
  if (is_integer_axis(axis)) {
    out.numbers = read_numbers(axis, item, where);
    out.text = item.is_string() ? std::string(item.get_string()) : json::serialize(item);
  } else if (item.is_string()) {
    out.text = std::string(item.get_string());
  } else {
    bad(where, (axis == Axis::kTasks ? "expected the name of a task, found "
                                     : "expected a string, found ") +
                   std::string(describe_type(item)));
  }
  return out;
}

Condition read_condition(const json::value& value, const std::string& where) {
  Condition out;
  for (const auto& member : object_of(value, where)) {
    const Axis axis = find_axis(member.key(), where + ": axis");
    const std::string place = where + ": " + axis_name(axis);
    const auto& items = array_of(member.value(), place);
    if (items.empty()) bad(place, "expected at least one value, found none");
    for (std::size_t i = 0; i < items.size(); ++i) {
      out[axis].push_back(read_named(axis, items[i], place + "[" + std::to_string(i) + "]"));
    }
  }
  return out;
}

void check_order(const AxisOverride& entry) {
  for (const auto& [axis, values] : entry.when) {
    for (std::size_t i = 0; i <= static_cast<std::size_t>(axis); ++i) {
      if (!has_axis(entry.set, static_cast<Axis>(i))) continue;
      const std::vector<std::string> order(kAxisNames.begin(), kAxisNames.end());
      bad(entry.where, "\"when\" names " + axis_name(axis) + ", which does not come before " +
                           order[i] +
                           " that \"set\" names; axes may depend on earlier ones only, in the "
                           "order " +
                           join(order, ", "));
    }
  }
}

}  // namespace

std::vector<AxisOverride> read_overrides(const json::array& items, const std::string& where) {
  std::vector<AxisOverride> out;
  for (std::size_t i = 0; i < items.size(); ++i) {
    AxisOverride entry;
    entry.where = where + "[" + std::to_string(i) + "]";
    ObjectReader reader(items[i], entry.where, ErrorKind::kConfig);
    reader.find("when");
    reader.find("set");
    reader.finish();
    entry.when = read_condition(reader.at("when"), reader.where("when"));
    const std::string set = reader.where("set");
    for (const auto& member : object_of(reader.at("set"), set)) {
      const Axis axis = find_axis(member.key(), set + ": axis");
      const std::string place = set + ": " + axis_name(axis);
      read_axis(axis, array_of(member.value(), place), place, entry.set);
    }
    check_order(entry);
    out.push_back(std::move(entry));
  }
  return out;
}

std::vector<Exclusion> read_exclusions(const json::array& items, const std::string& where) {
  std::vector<Exclusion> out;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const std::string place = where + "[" + std::to_string(i) + "]";
    out.push_back({place, read_condition(items[i], place)});
  }
  return out;
}

}  // namespace lethe::grid
