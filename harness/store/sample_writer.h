// SPDX-License-Identifier: Apache-2.0
// Inserts sample rows with statements that are prepared once. Internal to this room.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>

#include "harness/store/run_store.h"

namespace SQLite {
class Database;
class Statement;
}  // namespace SQLite

namespace lethe::store {

/// Lives no longer than its connection.
class SampleWriter {
 public:
  explicit SampleWriter(SQLite::Database& db);
  ~SampleWriter();
  SampleWriter(const SampleWriter&) = delete;
  SampleWriter& operator=(const SampleWriter&) = delete;

  /// Body of RunStore::add_samples(), inside a transaction. `now` is the rows' created_at.
  std::size_t add(std::span<const SampleRow> rows, const std::string& now);

 private:
  std::int64_t cell_id(const std::string& key);

  std::unique_ptr<SQLite::Statement> insert_;
  std::unique_ptr<SQLite::Statement> find_cell_;
  std::unordered_map<std::string, std::int64_t> cell_ids_;  ///< rows of `cell` are never removed
};

}  // namespace lethe::store
