// SPDX-License-Identifier: Apache-2.0
// What BABILong's authors say of their tasks: data/babilong/.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace lethe::tasks {

struct BabilongPrompt {
  std::string name;                 ///< "qa1"
  std::string file;                 ///< of bAbI, without "_test.txt": "qa1_single-supporting-fact"
  std::vector<std::string> labels;  ///< the answers there are
  std::string instruction, examples, post_prompt;
};

/// The prompts of all tasks, in order, and the template that their parts stand in.
struct BabilongPrompts {
  std::string frame;  ///< with {instruction}, {examples}, {post_prompt}, {context}, {question}
  std::vector<BabilongPrompt> tasks;
};

/// Reads data/babilong/prompts.json below `root`. Throws Error(kConfig) that names file and member.
BabilongPrompts read_babilong_prompts(const std::filesystem::path& root);

/// Indices of the 100 test questions of task `name` on which the authors evaluate
/// (data/babilong/test_100_idxs.json); none for a task that has no such list. Throws Error(kConfig)
/// for a damaged file.
std::vector<std::int64_t> read_babilong_indices(const std::filesystem::path& root,
                                                const std::string& name);

}  // namespace lethe::tasks
