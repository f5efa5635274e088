// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <filesystem>
#include <iostream>

#include "harness/base/error.h"
#include "harness/base/names.h"
#include "harness/base/text.h"
#include "harness/cli/commands/commands.h"
#include "harness/cli/models.h"
#include "harness/cli/output.h"
#include "harness/cli/queries.h"
#include "harness/cli/root.h"
#include "harness/cli/suites.h"
#include "policies/registry.h"
#include "tasks/registry.h"

namespace lethe::cli {

namespace {

/// What `list` prints about one name.
struct Entry {
  std::string name;
  std::string summary;
  std::string source;
  std::vector<std::string> details;
};

std::vector<Entry> list_models() {
  std::vector<Entry> entries;
  for (const auto& model : registered_models()) {
    const bool there = std::filesystem::exists(model.path) || model.given_by_variable();
    entries.push_back(
        {model.name,
         model.title,
         model.source,
         {"licence: " + model.licence, "size: " + human_bytes(static_cast<double>(model.bytes)),
          "sha256: " + model.sha256, there ? "present" : "missing: ./lethe setup fetches it"}});
  }
  return entries;
}

std::vector<Entry> list_policies() {
  const auto& registry = policies::known_policies();
  std::vector<Entry> entries;
  for (const auto& policy : registry.list()) {
    Entry entry{policy.name, policy.summary, policy.source, policy.option_help};
    std::vector<std::string> aliases;
    for (const auto& [other, canonical] : registry.aliases()) {
      if (Spec::parse(canonical, ErrorKind::kInternal).name == policy.name) {
        aliases.push_back(other + " = " + canonical);
      }
    }
    if (!aliases.empty()) entry.details.push_back("aliases: " + join(aliases, ", "));
    entries.push_back(std::move(entry));
  }
  return entries;
}

std::vector<Entry> list_named(const std::vector<tasks::NamedInfo>& infos) {
  std::vector<Entry> entries;
  for (const auto& info : infos) {
    entries.push_back({info.name, info.summary, info.source, info.option_help});
  }
  return entries;
}

std::vector<Entry> list_suites() {
  std::vector<Entry> entries;
  for (const auto& name : shipped_suites()) {
    const auto suite = grid::read_suite(suite_path(name), {});
    std::vector<std::string> policies = suite.policies, models = suite.models;
    const auto add = [](std::vector<std::string>& known, const std::vector<std::string>& more) {
      for (const auto& each : more) {
        if (std::ranges::find(known, each) == known.end()) known.push_back(each);
      }
    };
    for (const auto& part : suite.parts) {
      add(policies, part.policies);
      add(models, part.models);
    }
    entries.push_back({name,
                       suite.title,
                       "data/suites/" + name + ".json",
                       {"policies: " + join(policies, ", "), "models: " + join(models, ", ")}});
  }
  return entries;
}

std::vector<Entry> list_queries() {
  std::vector<Entry> entries;
  for (const auto& query : saved_queries()) {
    entries.push_back({query.name, query.summary, "data/queries/" + query.name + ".sql", {}});
  }
  return entries;
}

std::vector<Entry> entries_of(const std::string& what) {
  if (what == "models") return list_models();
  if (what == "policies") return list_policies();
  if (what == "tasks") return list_named(tasks::list_tasks(root_folder()));
  if (what == "metrics") return list_named(tasks::list_metrics());
  if (what == "suites") return list_suites();
  if (what == "queries") return list_queries();
  const std::vector<std::string> known{"models", "policies", "tasks",
                                       "suites", "metrics",  "queries"};
  throw unknown_name(ErrorKind::kUsage, "list", what, known);
}

int run(const Options& options) {
  const auto entries = entries_of(options.text("WHAT"));
  if (options.has("json")) {
    json::array out;
    for (const auto& entry : entries) {
      out.push_back({{"name", entry.name},
                     {"summary", entry.summary},
                     {"source", entry.source},
                     {"details", json::array(entry.details.begin(), entry.details.end())}});
    }
    print_json(out);
    return kExitOk;
  }
  for (const auto& entry : entries) {
    std::cout << entry.name << ": " << entry.summary;
    if (!entry.source.empty()) std::cout << " [" << entry.source << "]";
    std::cout << '\n';
    for (const auto& detail : entry.details) std::cout << "    " << detail << '\n';
  }
  return kExitOk;
}

}  // namespace

Command list_command() {
  CommandSpec spec;
  spec.name = "list";
  spec.summary = "what there is: models, policies, tasks, suites, metrics, queries";
  spec.arguments = {{"WHAT"}};
  spec.options = {{"json", "", "print a JSON array"}, plugin_option()};
  spec.examples = {{"eviction policies with options, aliases and papers", "lethe list policies"},
                   {"shipped suites", "lethe list suites"},
                   {"saved queries", "lethe list queries"},
                   {"registered models, for another program", "lethe list models --json"}};
  return {spec, run, {}};
}

}  // namespace lethe::cli
