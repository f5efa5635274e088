// SPDX-License-Identifier: Apache-2.0
// A folder of PG-19 books: one plain text per book, named by its Gutenberg id.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace lethe::tasks {

/// One book as read: `sha256` names the bytes of `text`.
struct Book {
  std::string id;
  std::filesystem::path path;
  std::string text;
  std::string sha256;
};

/// The books `<id>.txt` of a folder. Where the folder holds a books.json (data/samples/pg19/), that
/// list says which books there are and which bytes they must have. Thread-safe for reading.
class Pg19Books {
 public:
  /// Throws Error(kData) when the folder is missing, its books.json is malformed, or it has no
  /// book.
  explicit Pg19Books(std::filesystem::path folder);

  /// Ids in ascending numeric order (names that are no number come last, by name).
  const std::vector<std::string>& ids() const { return ids_; }
  const std::filesystem::path& folder() const { return folder_; }

  /// Throws Error(kData) for an unknown id (with a suggestion), an empty or non-UTF-8 text, and
  /// bytes other than those books.json names.
  Book read(const std::string& id) const;

 private:
  std::filesystem::path folder_;
  std::vector<std::string> ids_;
  std::map<std::string, std::string> expected_sha256_;
};

}  // namespace lethe::tasks
