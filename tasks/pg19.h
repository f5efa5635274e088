// SPDX-License-Identifier: Apache-2.0
// Language modelling on PG-19 books: perplexity of windows of the tokenised text (TOVA, arXiv
// 2401.06104, sections 5.2 and 6.1).
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
struct Pg19Options {
  std::vector<std::string> books;  ///< ids in the order given; empty: every book of the folder
  std::filesystem::path data;      ///< folder of texts
  WindowOptions window;            ///< a stream is a book

  /// Reads {"books": ["860", …] | "all", "data": "folder"} and the members of WindowOptions; every
  /// member may be missing. A relative `data` is looked for in the current folder, then in `root`.
  /// Throws Error(kConfig) that names the member.
  static Pg19Options parse(const json::object& options, const std::filesystem::path& root);
};

/// The chosen books, each a stream of its own. Throws as Pg19Task does.
std::vector<Stream> book_streams(const Pg19Options& options);

/// Every book is a stream of its own, tokenised whole. Sample id "BOOK/WINDOW", cluster BOOK.
class Pg19Task : public WindowTask {
 public:
  /// Raised by hand when the same options give other samples or numbers.
  static constexpr int kVersion = 1;

  /// Reads and hashes the chosen books. Throws Error(kData) for a missing, damaged or unknown one,
  /// Error(kConfig) for a length below 2.
  Pg19Task(const Pg19Options& options, std::int64_t length);

  json::object identity() const override;

 protected:
  /// For tasks over the same windows under another name.
  Pg19Task(std::string name, const Pg19Options& options, std::int64_t length);
};

}  // namespace lethe::tasks
