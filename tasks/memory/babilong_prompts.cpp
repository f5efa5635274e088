// SPDX-License-Identifier: Apache-2.0
#include "tasks/memory/babilong_prompts.h"

#include "harness/base/error.h"
#include "harness/base/json.h"

namespace lethe::tasks {
namespace {

std::filesystem::path file_in(const std::filesystem::path& root, const char* name) {
  return root / "data" / "babilong" / name;
}

}  // namespace

BabilongPrompts read_babilong_prompts(const std::filesystem::path& root) {
  const auto file = file_in(root, "prompts.json");
  const auto value = read_json_file(file, ErrorKind::kConfig);
  ObjectReader reader(value, file.string(), ErrorKind::kConfig);
  reader.string("source");
  BabilongPrompts prompts;
  prompts.frame = reader.string("template");
  for (const auto& entry : reader.array("tasks")) {
    ObjectReader task(entry, reader.where("tasks"), ErrorKind::kConfig);
    BabilongPrompt prompt{
        task.string("name"),        task.string("file"),     {},
        task.string("instruction"), task.string("examples"), task.string("post_prompt")};
    for (const auto& label : task.array("labels")) {
      if (!label.is_string()) {
        throw Error(ErrorKind::kConfig,
                    task.where("labels") + ": expected texts, found " + json::serialize(label));
      }
      prompt.labels.emplace_back(label.as_string());
    }
    task.finish();
    prompts.tasks.push_back(std::move(prompt));
  }
  reader.finish();
  return prompts;
}

std::vector<std::int64_t> read_babilong_indices(const std::filesystem::path& root,
                                                const std::string& name) {
  const auto file = file_in(root, "test_100_idxs.json");
  const auto value = read_json_file(file, ErrorKind::kConfig);
  ObjectReader reader(value, file.string(), ErrorKind::kConfig);
  std::vector<std::int64_t> indices;
  if (!reader.has(name)) return indices;
  for (const auto& entry : reader.array(name)) {
    if (!entry.is_int64() || entry.as_int64() < 0) {
      throw Error(ErrorKind::kConfig, reader.where(name) + ": expected numbers from 0 on, found " +
                                          json::serialize(entry));
    }
    indices.push_back(entry.as_int64());
  }
  return indices;
}

}  // namespace lethe::tasks
