// SPDX-License-Identifier: Apache-2.0
#include "harness/grid/suite.h"

#include <algorithm>
#include <unordered_set>

#include "harness/base/error.h"
#include "harness/base/hash.h"
#include "harness/base/names.h"
#include "harness/base/text.h"

namespace lethe::grid {
namespace {

constexpr std::size_t kMaxValues = 1'000'000;

const std::vector<std::string>& axis_names() {
  static const std::vector<std::string> names = {"models",    "tasks",     "policies", "budgets",
                                                 "lengths",   "schedules", "dtypes",   "positions",
                                                 "kv_dtypes", "seeds"};
  return names;
}

[[noreturn]] void bad(const std::string& where, const std::string& why) {
  throw Error(ErrorKind::kConfig, where + ": " + why);
}

template <typename T>
void drop_repeats(std::vector<T>& values) {
  std::unordered_set<T> seen;
  std::erase_if(values, [&](const T& value) { return !seen.insert(value).second; });
}

// The values of an integer axis: numbers and range texts, mixed.
std::vector<std::int64_t> integers(const json::array& items, const std::string& where,
                                   std::int64_t low) {
  std::vector<std::int64_t> values;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const std::string place = where + "[" + std::to_string(i) + "]";
    std::vector<std::int64_t> part;
    if (items[i].is_int64()) {
      part = {items[i].get_int64()};
    } else if (items[i].is_string()) {
      part = expand_range(std::string_view(items[i].get_string()), place);
    } else if (items[i].is_uint64()) {
      bad(place, std::to_string(items[i].get_uint64()) + " is too large");
    } else {
      bad(place, "expected an integer or a range such as \"64..4096*2\", found " +
                     std::string(describe_type(items[i])));
    }
    for (const auto value : part) {
      if (value < low) {
        bad(place, "expected at least " + std::to_string(low) + ", found " + std::to_string(value));
      }
    }
    values.insert(values.end(), part.begin(), part.end());
    if (values.size() > kMaxValues) {
      bad(where, "more than " + std::to_string(kMaxValues) + " values");
    }
  }
  drop_repeats(values);
  return values;
}

std::vector<std::string> texts(const json::array& items, const std::string& where) {
  std::vector<std::string> values;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const std::string place = where + "[" + std::to_string(i) + "]";
    if (!items[i].is_string()) {
      bad(place, "expected a string, found " + std::string(describe_type(items[i])));
    }
    if (items[i].get_string().empty()) bad(place, "expected a name, found an empty text");
    values.emplace_back(items[i].get_string());
  }
  drop_repeats(values);
  return values;
}

using Tasks = std::vector<std::pair<std::string, json::object>>;

Tasks tasks(const json::array& items, const std::string& where) {
  Tasks out;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const std::string place = where + "[" + std::to_string(i) + "]";
    std::pair<std::string, json::object> task;
    if (items[i].is_string()) {
      task.first = std::string(items[i].get_string());
    } else {
      // Which options a task knows is for the task to check.
      task.first = ObjectReader(items[i], place, ErrorKind::kConfig).string("name");
      task.second = items[i].get_object();
      task.second.stable_erase(task.second.find("name"));
    }
    if (task.first.empty()) bad(place, "expected the name of a task, found an empty text");
    if (std::find(out.begin(), out.end(), task) == out.end()) out.push_back(std::move(task));
  }
  return out;
}

// "tova,snapkv:window=64,kernel=5" -> "tova", "snapkv:window=64,kernel=5": a part that is an option
// ("key=value" without a name before it) belongs to the policy before it.
json::array split_policies(std::string_view text) {
  json::array out;
  for (const auto& part : split(text, ',')) {
    const auto equals = part.find('=');
    const bool option = equals != std::string::npos && part.find(':') > equals;
    if (option && !out.empty()) {
      auto& last = out.back().get_string();
      last += last.find(':') == json::string::npos ? ":" : ",";
      last += part;
    } else {
      out.emplace_back(part);
    }
  }
  return out;
}

json::array override_items(const std::string& axis, const std::string& text,
                           const json::object& suite) {
  if (axis == "policies") return split_policies(text);
  json::array out;
  for (const auto& part : split(text, ',')) {
    json::value item(part);
    if (axis == "tasks") {
      const auto* given = suite.if_contains("tasks");
      if (given && given->is_array()) {
        for (const auto& task : given->get_array()) {
          const auto* name = task.is_object() ? task.get_object().if_contains("name") : nullptr;
          if (name && *name == item) {
            item = task;
            break;
          }
        }
      }
    }
    out.push_back(std::move(item));
  }
  return out;
}

void apply_overrides(json::object& suite, const Overrides& overrides) {
  for (const auto& [axis, text] : overrides) {
    const auto& known = axis_names();
    if (std::find(known.begin(), known.end(), axis) == known.end()) {
      throw unknown_name(ErrorKind::kConfig, "--set: axis", axis, known);
    }
    if (text.empty()) bad("--set " + axis, "expected values, found none");
    suite[axis] = override_items(axis, text, suite);
  }
}

// The name becomes a folder (report/<name>/).
void check_name(const std::string& name, const std::string& where) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  if (name.empty() || name.front() == '.' || !std::all_of(name.begin(), name.end(), plain)) {
    bad(where, "expected letters, digits, '-', '_' and '.', found '" + name + "'");
  }
}

}  // namespace

Suite read_suite(const std::filesystem::path& path, const Overrides& overrides) {
  const std::string file = path.string();
  const std::string content = read_file(path, ErrorKind::kConfig);
  json::value root = parse_json(content, file, ErrorKind::kConfig);
  if (root.is_object()) apply_overrides(root.get_object(), overrides);

  ObjectReader reader(root, file, ErrorKind::kConfig);
  // Every member is asked for before any is required, so that a misspelt axis is reported as such
  // and not as a missing one.
  for (const auto& axis : axis_names()) reader.find(axis);
  for (const char* name : {"name", "title", "report"}) reader.find(name);
  reader.finish();

  const auto axis = [&](const char* name) -> const json::array& {
    const auto& items = reader.array(name);
    if (items.empty()) bad(reader.where(name), "expected at least one value, found none");
    return items;
  };
  const auto texts_or = [&](const char* name, const char* fallback) {
    return reader.has(name) ? texts(axis(name), reader.where(name))
                            : std::vector<std::string>{fallback};
  };
  const auto integers_or = [&](const char* name, std::int64_t low,
                               std::vector<std::int64_t> fallback) {
    return reader.has(name) ? integers(axis(name), reader.where(name), low) : std::move(fallback);
  };

  Suite suite;
  suite.name = reader.string("name");
  check_name(suite.name, reader.where("name"));
  suite.title = reader.string("title", suite.name);
  suite.report = reader.string("report", "");
  suite.models = texts(axis("models"), reader.where("models"));
  suite.tasks = tasks(axis("tasks"), reader.where("tasks"));
  suite.policies = texts(axis("policies"), reader.where("policies"));
  suite.budgets = integers_or("budgets", 1, {});
  suite.lengths = integers(axis("lengths"), reader.where("lengths"), 2);
  suite.schedules = texts_or("schedules", "exact");
  suite.positions = texts_or("positions", "original");
  suite.dtypes = texts_or("dtypes", "float32");
  suite.kv_dtypes = texts_or("kv_dtypes", "same");
  suite.seeds = integers_or("seeds", 0, {0});
  suite.sha256 = sha256_hex(content);
  return suite;
}

}  // namespace lethe::grid
