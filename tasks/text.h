// SPDX-License-Identifier: Apache-2.0
// Language modelling on one long stream: perplexity of windows of texts that follow one another
// (as StreamingLLM, arXiv 2309.17453, does with the test books of PG-19).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "harness/base/json.h"
#include "tasks/window_options.h"
#include "tasks/window_task.h"

namespace lethe::tasks {

/// Options of the task as a suite states them.
struct TextOptions {
  std::vector<std::filesystem::path> files;  ///< texts in the order given; empty: books
  std::vector<std::filesystem::path> data;   ///< folders of books
  std::vector<std::string> books;  ///< ids in the order given; empty: every book, folder by folder
  WindowOptions window;

  /// Reads {"files": ["a.txt", …]} or {"data": "folder" | ["folder", …], "books": ["860", …] |
  /// "all"}, and the members of WindowOptions; every member may be missing. Relative paths are
  /// looked for in the current folder, then in `root`. Throws Error(kConfig) that names the member.
  static TextOptions parse(const json::object& options, const std::filesystem::path& root);
};

/// All texts are one stream. Sample id "stream/WINDOW". The windows are one cluster: one that runs
/// from a text into the next ties the two together, so nothing smaller is independent, and no
/// interval is claimed.
class TextTask : public WindowTask {
 public:
  /// Raised by hand when the same options give other samples or numbers. Version 1: texts are
  /// tokenised one by one, and nothing is put between them.
  static constexpr int kVersion = 1;
  static constexpr std::int64_t kLongest = std::int64_t{1} << 21;

  /// Reads and hashes the texts. Throws Error(kData) for a text that is missing, empty, damaged,
  /// not UTF-8 or there twice, Error(kConfig) for a length outside [2, kLongest].
  TextTask(const TextOptions& options, std::int64_t length);

  /// Names and bytes of the texts in order, whichever folders they lie in.
  json::object identity() const override;

 private:
  bool from_files_;
};

}  // namespace lethe::tasks
