// SPDX-License-Identifier: Apache-2.0
// Task names -> tasks.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <optional>

#include "harness/base/json.h"
#include "tasks/task.h"

namespace lethe::tasks {

/// One entry of `lethe list tasks` and `lethe list metrics`.
struct NamedInfo {
  std::string name;
  std::string summary;
  std::string source;                    ///< paper, section; or where it is defined
  std::vector<std::string> option_help;  ///< "windows: …"
};

/// Task `name` bound to the options of a suite and a length: one with a class of its own, one that
/// data/tasks/NAME.json declares, or one that the option "file" declares. `root` is the folder that
/// holds data/. Throws Error(kConfig) for an unknown name (with a suggestion) or option.
std::unique_ptr<Task> make_task(const std::string& name, const json::object& options,
                                std::int64_t length, const std::filesystem::path& root);

/// The score of a stored output, computed again: no model, no data. Nothing for a task whose
/// outputs have none. Throws Error(kData) for an output that is none of the task's. `root` as
/// above.
std::optional<double> rescore(const std::string& task, const std::string& output,
                              const std::filesystem::path& root);

/// Tasks with a class of their own, then those declared in data/tasks/ below `root`.
std::vector<NamedInfo> list_tasks(const std::filesystem::path& root);
std::vector<NamedInfo> list_metrics();

}  // namespace lethe::tasks
