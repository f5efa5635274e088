// SPDX-License-Identifier: Apache-2.0
// A database file through SQLite itself: what RunStore would refuse to do or to show.
#pragma once

#include <sqlite3.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/catch.h"

namespace lethe::test {

class DatabaseFile {
 public:
  explicit DatabaseFile(const std::filesystem::path& path) {
    REQUIRE(sqlite3_open(path.c_str(), &db_) == SQLITE_OK);
  }
  ~DatabaseFile() { sqlite3_close(db_); }
  DatabaseFile(const DatabaseFile&) = delete;
  DatabaseFile& operator=(const DatabaseFile&) = delete;

  void exec(const std::string& sql) {
    char* message = nullptr;
    const int rc = sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, &message);
    INFO(sql << ": " << (message ? message : ""));
    sqlite3_free(message);
    REQUIRE(rc == SQLITE_OK);
  }

  /// Every row as text, columns joined by "|", NULL as "NULL".
  std::vector<std::string> rows(const std::string& sql) {
    std::vector<std::string> out;
    const auto add = [](void* rows, int columns, char** values, char**) {
      std::string row;
      for (int i = 0; i < columns; ++i)
        row += std::string(i ? "|" : "") + (values[i] ? values[i] : "NULL");
      static_cast<std::vector<std::string>*>(rows)->push_back(row);
      return 0;
    };
    INFO(sql);
    REQUIRE(sqlite3_exec(db_, sql.c_str(), add, &out, nullptr) == SQLITE_OK);
    return out;
  }

 private:
  sqlite3* db_ = nullptr;
};

}  // namespace lethe::test
