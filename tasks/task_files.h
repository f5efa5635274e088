// SPDX-License-Identifier: Apache-2.0
// Where the files lie that a suite gives a task.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "harness/base/json.h"

namespace lethe::tasks {

/// The member `name`: a path, or a list of paths, each found by look_for(). Throws Error(kConfig)
/// for anything else.
std::vector<std::filesystem::path> read_paths(ObjectReader& reader, const char* name,
                                              const std::filesystem::path& root);

/// Where a task's records are had.
struct TaskData {
  std::string task;                             ///< its name, for messages
  std::string dataset;                          ///< of data/datasets.json; empty: none has them
  std::string file;                             ///< below the data set's folder
  std::optional<std::filesystem::path> sample;  ///< what ships with Lethe, below the root
};

/// The file that the option "data" names: "dataset", "sample", or a folder that holds it, plain, as
/// .xz or .gz, or in an archive. Throws Error(kConfig) for a task that has no such thing,
/// Error(kData) where the file is not there.
std::filesystem::path task_data_file(const TaskData& task, const std::string& data,
                                     const std::filesystem::path& root);

}  // namespace lethe::tasks
