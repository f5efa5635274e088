// SPDX-License-Identifier: Apache-2.0
#include "policies/plugin/plugin.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstddef>
#include <list>

#include "harness/base/error.h"
#include "harness/base/hash.h"
#include "harness/base/text.h"
#include "policies/plugin/lethe_policy.h"
#include "policies/plugin/plugin_policy.h"
#include "policies/registry.h"

namespace lethe::policies {
namespace {

constexpr const char* kSymbol = "lethe_policy_plugin_v1";

[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& why) {
  throw Error(ErrorKind::kPlugin, "plugin " + path.string() + ": " + why);
}

bool is_name(std::string_view name) {
  return !name.empty() && name.front() >= 'a' && name.front() <= 'z' &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_") == std::string_view::npos;
}

/// The table with what this host knows of it: fields beyond the plugin's size are absent.
lethe_policy_plugin read_table(const lethe_policy_plugin& from, const std::filesystem::path& path) {
  // What version 1 began with; a table that ends before is none.
  constexpr std::size_t kLeast = offsetof(lethe_policy_plugin, layer_budget);
  if (from.struct_size < kLeast) {
    refuse(path, "expected a table of at least " + std::to_string(kLeast) + " bytes, found " +
                     std::to_string(from.struct_size));
  }
  lethe_policy_plugin table{};
  std::copy_n(reinterpret_cast<const char*>(&from), std::min(from.struct_size, sizeof table),
              reinterpret_cast<char*>(&table));
  if (table.abi != LETHE_POLICY_ABI) {
    refuse(path, "expected version " + std::to_string(LETHE_POLICY_ABI) +
                     " of the policy interface, found " + std::to_string(table.abi) +
                     "; build it against the headers of this Lethe");
  }
  if (table.name == nullptr || !is_name(table.name)) {
    refuse(path, std::string("expected a name of lower-case letters, digits, - and _, found '") +
                     (table.name ? table.name : "") + "'");
  }
  const std::pair<const char*, bool> needed[] = {
      {"configure", table.configure != nullptr},
      {"release", table.release != nullptr},
      {"create", table.create != nullptr},
      {"destroy", table.destroy != nullptr},
      {"select", table.select != nullptr},
      {"save and load, or neither", (table.save == nullptr) == (table.load == nullptr)}};
  for (const auto& [name, there] : needed) {
    if (!there) refuse(path, std::string("expected the function ") + name + ", found none");
  }
  return table;
}

PolicyInfo info_of(const lethe_policy_plugin& table, const LoadedPlugin& plugin) {
  PolicyInfo info{table.name,
                  table.summary ? table.summary : "",
                  table.source && *table.source ? table.source : "plugin",
                  {}};
  info.source += " (plugin " + plugin.path.filename().string() + ", version " + plugin.version +
                 ", " + plugin.sha256.substr(0, 12) + ")";
  for (const char* const* line = table.option_help; line && *line; ++line) {
    info.option_help.emplace_back(*line);
  }
  if (table.accepts & LETHE_ACCEPTS_SCOPE) {
    info.option_help.emplace_back("scope=layer|head: one victim for the layer, or per KV head");
  }
  if (table.accepts & LETHE_ACCEPTS_SINKS) {
    info.option_help.emplace_back("sinks=i: the first i positions never leave");
  }
  return info;
}

std::vector<LoadedPlugin>& plugins() {
  static std::vector<LoadedPlugin> all;
  return all;
}

}  // namespace

const std::vector<LoadedPlugin>& loaded_plugins() {
  return plugins();
}

LoadedPlugin load_plugin(const std::filesystem::path& given) {
  std::error_code ec;
  const auto path = std::filesystem::canonical(given, ec);
  if (ec) refuse(given, "there is no such file");
  LoadedPlugin plugin;
  plugin.path = path;
  plugin.sha256 = sha256_hex(read_file(path, ErrorKind::kPlugin));
  for (const LoadedPlugin& known : plugins()) {
    if (known.sha256 == plugin.sha256) return known;
  }
  // RTLD_NOW: what it lacks shows now, not in the middle of a job. Never closed: threads, statics
  // and tables of a library cannot be taken back.
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) refuse(given, std::string("cannot be loaded: ") + dlerror());
  using Entry = const lethe_policy_plugin* (*)(std::uint32_t);
  const auto entry = reinterpret_cast<Entry>(dlsym(library, kSymbol));
  if (entry == nullptr) {
    refuse(given, std::string("expected a policy plugin, which exports ") + kSymbol +
                      ", found a library that does not");
  }
  const lethe_policy_plugin* found = entry(LETHE_POLICY_ABI);
  if (found == nullptr) {
    refuse(given, "it cannot serve version " + std::to_string(LETHE_POLICY_ABI) +
                      " of the policy interface");
  }
  static std::list<lethe_policy_plugin> tables;  // stay where they are
  const lethe_policy_plugin& table = tables.emplace_back(read_table(*found, given));
  plugin.policy = table.name;
  plugin.version = table.version ? table.version : "0";
  Registry& registry = mutable_registry();
  if (registry.knows(plugin.policy)) {
    refuse(given, "its policy is called '" + plugin.policy +
                      "', and there is one of that name; rename it");
  }
  registry.add(info_of(table, plugin), [&table, sha256 = plugin.sha256](const Spec& spec) {
    return plugin_plan(table, sha256, spec);
  });
  plugins().push_back(std::move(plugin));
  return plugins().back();
}

}  // namespace lethe::policies
