// SPDX-License-Identifier: Apache-2.0
#include "tasks/task_files.h"

#include "harness/base/error.h"
#include "tasks/datasets/dataset_files.h"
#include "tasks/window_options.h"

namespace lethe::tasks {

namespace fs = std::filesystem;

std::vector<fs::path> read_paths(ObjectReader& reader, const char* name, const fs::path& root) {
  const json::value& value = reader.at(name);
  const json::array list = value.is_array() ? value.as_array() : json::array{value};
  std::vector<fs::path> paths;
  for (const auto& entry : list) {
    if (!entry.is_string()) break;
    paths.push_back(look_for(std::string(entry.as_string()), root));
  }
  if (list.empty() || paths.size() != list.size()) {
    throw Error(ErrorKind::kConfig,
                reader.where(name) + ": expected a list of paths, found " + json::serialize(value));
  }
  return paths;
}

fs::path task_data_file(const TaskData& task, const std::string& data, const fs::path& root) {
  if (data == "dataset") {
    if (task.dataset.empty()) {
      throw Error(ErrorKind::kConfig, "task " + task.task +
                                          ": its declaration names no data set; give the task "
                                          "\"data\": the folder that holds " +
                                          task.file);
    }
    const auto catalogue = read_catalogue(root / "data" / "datasets.json");
    return dataset_file(find_dataset(catalogue, task.dataset), task.file, data_folders({}));
  }
  if (data == "sample") {
    if (!task.sample) {
      throw Error(ErrorKind::kConfig, "task " + task.task +
                                          ": no records ship with Lethe; use \"data\": \"dataset\" "
                                          "(./lethe fetch " +
                                          task.dataset + ") or a folder");
    }
    return root / *task.sample;
  }
  // The folder of the data set, or the one that its files lie in.
  const fs::path folder = look_for(data, root);
  const fs::path name = fs::path(task.file).filename();
  for (const auto& path : {folder / task.file, folder / name}) {
    for (const auto* packed : {"", ".xz", ".gz"}) {
      if (fs::path file = path.string() + packed; fs::is_regular_file(file)) return file;
    }
    // A member of an archive: "data.zip/data/x.jsonl".
    for (auto archive = path.parent_path(); archive != folder && archive.has_relative_path();
         archive = archive.parent_path()) {
      if (fs::is_regular_file(archive)) return path;
    }
  }
  throw Error(ErrorKind::kData, "task " + task.task + ": expected " + task.file + " or " +
                                    name.string() + " (or either with .xz or .gz) in " +
                                    folder.string() + ", found neither");
}

}  // namespace lethe::tasks
