// SPDX-License-Identifier: Apache-2.0
#include "harness/cli/stored_cells.h"

#include <algorithm>
#include <cstdlib>

#include "harness/base/error.h"
#include "harness/base/names.h"
#include "harness/cli/models.h"
#include "harness/cli/root.h"
#include "harness/grid/suite.h"

namespace lethe::cli {

namespace {

std::string in_words(const json::value* value) {
  if (!value) return "nothing";
  const std::string text = canonical_json(*value);
  return text.size() <= 80 ? text : text.substr(0, 80) + "…";
}

void compare(const json::value* stored, const json::value* at_hand, const std::string& where,
             std::vector<std::string>& out) {
  if (stored && at_hand && stored->is_object() && at_hand->is_object()) {
    std::vector<std::string> names;
    for (const auto* side : {stored, at_hand}) {
      for (const auto& member : side->get_object()) names.emplace_back(member.key());
    }
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    for (const auto& name : names) {
      compare(stored->get_object().if_contains(name), at_hand->get_object().if_contains(name),
              where.empty() ? name : where + "." + name, out);
    }
  } else if (stored && at_hand && stored->is_array() && at_hand->is_array()) {
    const auto& a = stored->get_array();
    const auto& b = at_hand->get_array();
    for (std::size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
      compare(a.if_contains(i), b.if_contains(i), where + "[" + std::to_string(i) + "]", out);
    }
  } else if (!stored || !at_hand || canonical_json(*stored) != canonical_json(*at_hand)) {
    out.push_back(where + ": " + in_words(stored) + " stored, " + in_words(at_hand) + " at hand");
  }
}

grid::Suite one_cell_suite(const store::CellRecord& record, const std::string& model,
                           const json::object& task_options) {
  grid::Suite suite;
  suite.name = "verify";
  suite.models = {model};
  suite.tasks = {{record.task, task_options}};
  suite.policies = {record.policy};
  if (record.budget) suite.budgets = {*record.budget};
  suite.lengths = {record.length};
  suite.schedules = {record.schedule};
  suite.positions = {record.positions};
  suite.dtypes = {record.dtype};
  suite.kv_dtypes = {record.kv_dtype};
  suite.seeds = {record.seed};
  return suite;
}

}  // namespace

std::string cell_label(const store::CellRecord& record) {
  grid::Cell cell;
  cell.task = record.task;
  cell.model = record.model;
  cell.policy = record.policy;
  cell.budget = record.budget;
  cell.length = record.length;
  cell.schedule = record.schedule;
  cell.positions = record.positions;
  cell.dtype = record.dtype;
  cell.kv_dtype = record.kv_dtype;
  cell.seed = record.seed;
  return cell.label();
}

json::object options_of(const json::object& task_identity) {
  if (const auto* stated = task_identity.if_contains("options"); stated && stated->is_object()) {
    return stated->get_object();
  }
  json::object options;
  for (const auto& member : task_identity) {
    if (member.key() == "version") continue;
    const auto* list = member.value().if_array();
    const bool files = list && !list->empty() &&
                       std::all_of(list->begin(), list->end(), [](const json::value& entry) {
                         return entry.is_object() && entry.get_object().contains("id") &&
                                entry.get_object().contains("sha256");
                       });
    if (!files) {
      options[member.key()] = member.value();
      continue;
    }
    json::array ids;
    for (const auto& entry : *list) ids.push_back(entry.get_object().at("id"));
    options[member.key()] = std::move(ids);
  }
  return options;
}

std::vector<std::string> differences(const json::value& stored, const json::value& at_hand,
                                     const std::string& where) {
  std::vector<std::string> out;
  compare(&stored, &at_hand, where, out);
  return out;
}

std::vector<std::pair<std::string, json::object>> tasks_of(const AtHand& at_hand) {
  if (!at_hand.suite) return {};
  std::vector<std::pair<std::string, json::object>> out;
  for (const auto& [name, options] :
       grid::read_suite(*at_hand.suite, {}, root_folder() / "data" / "suites").tasks) {
    out.emplace_back(name, options);
  }
  return out;
}

std::optional<std::string> find_model(const std::string& stored_name, const AtHand& at_hand,
                                      std::string& why) {
  const auto registered = registered_models();
  std::vector<std::string> candidates = at_hand.model_paths;
  for (const auto& model : registered) {
    // Also under its own name: a variable may have put another file in its place.
    if (model.name == stored_name || model.given_by_variable()) candidates.push_back(model.name);
  }
  why = "no file at hand is called that; --model PATH names one";
  for (const auto& candidate : candidates) {
    try {
      if (resolve_model(candidate).name == stored_name) return candidate;
    } catch (const Error& error) {
      why = error.what();
    }
  }
  return std::nullopt;
}

Rebuilt rebuild(const store::CellRecord& record, const AtHand& at_hand, Catalogue& catalogue) {
  Rebuilt out;
  const auto model = find_model(record.model, at_hand, out.why_not);
  if (!model) return out;
  try {
    const auto inputs = parse_json(record.inputs, "inputs", ErrorKind::kStore);
    const auto& task = inputs.at("task").at("identity").as_object();
    std::vector<json::object> choices{options_of(task)};
    for (const auto& [name, options] : tasks_of(at_hand)) {
      if (name == record.task) choices.push_back(options);
    }
    const std::string device(inputs.at("device_kind").as_string());
    for (const auto& options : choices) {
      try {
        auto cells = grid::expand(one_cell_suite(record, *model, options), catalogue, device);
        if (cells.size() == 1 && cells.front().key == record.key) {
          out.cell = std::move(cells.front());
          return out;
        }
        out.why_not = cells.empty()
                          ? "its axes give no cell"
                          : join(differences(inputs, cells.front().inputs.object()), "; ");
      } catch (const Error& error) {
        out.why_not = error.what();
      }
    }
  } catch (const std::exception& error) {
    out.why_not = std::string("its inputs cannot be read: ") + error.what();
  }
  return out;
}

}  // namespace lethe::cli
