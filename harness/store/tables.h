// SPDX-License-Identifier: Apache-2.0
// What the tables of an open database look like, asked of SQLite, so that code that copies whole
// rows copies columns it has never heard of. Internal to this room.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace SQLite {
class Column;
class Database;
class Statement;
}  // namespace SQLite

namespace lethe::store {

struct TableColumn {
  std::string name;
  std::string type;  ///< as declared: INTEGER, TEXT, REAL, BLOB
};

struct Table {
  std::string name;
  std::vector<TableColumn> columns;  ///< sorted by name: a migrated table has another order
  std::vector<std::string> key;      ///< columns of the primary key, in its order
};

/// All tables that hold rows (no views, nothing of SQLite's own), sorted by name.
std::vector<Table> base_tables(SQLite::Database& db);

/// One of them. Throws Error(kInternal) for another name.
Table base_table(SQLite::Database& db, std::string_view name);

/// A column of `table` that points at another table's id.
struct Reference {
  std::string column;
  std::string table;
};
std::vector<Reference> references(SQLite::Database& db, const std::string& table);

/// All but the column called `name`.
std::vector<TableColumn> without(std::vector<TableColumn> columns, const std::string& name);

/// Index of the column called `name`, which is there.
int place_of(const std::vector<TableColumn>& columns, const std::string& name);

/// "a, b, c".
std::string column_list(const std::vector<TableColumn>& columns);

/// "INSERT INTO table (columns) VALUES (?, …)".
std::string insert_sql(const std::string& table, const std::vector<TableColumn>& columns);

/// A step through the rows of the database at `path`: false after the last. SQLite's errors are
/// turned into ours about that file, which may be another than the one written meanwhile.
bool next_row(SQLite::Statement& rows, const std::filesystem::path& path);

/// Binds a copy of a value, of the type it is stored as.
void bind_stored(SQLite::Statement& to, int index, const SQLite::Column& from);

}  // namespace lethe::store
