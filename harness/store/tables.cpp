// SPDX-License-Identifier: Apache-2.0
#include "harness/store/tables.h"

#include <SQLiteCpp/SQLiteCpp.h>

#include <algorithm>
#include <map>

#include "harness/base/error.h"
#include "harness/store/connection.h"

namespace lethe::store {
namespace {

Table describe(SQLite::Database& db, const std::string& name) {
  Table table{name, {}, {}};
  std::map<int, std::string> key;  // place in the primary key, from 1
  SQLite::Statement select(db, "SELECT name, type, pk FROM pragma_table_info(?) ORDER BY name");
  select.bind(1, name);
  while (select.executeStep()) {
    table.columns.push_back({select.getColumn(0).getString(), select.getColumn(1).getString()});
    if (const int place = select.getColumn(2).getInt(); place > 0) {
      key[place] = table.columns.back().name;
    }
  }
  for (const auto& [place, column] : key) table.key.push_back(column);
  return table;
}

}  // namespace

std::vector<Table> base_tables(SQLite::Database& db) {
  SQLite::Statement select(db,
                           "SELECT name FROM sqlite_schema WHERE type = 'table' AND "
                           "name NOT LIKE 'sqlite%' ORDER BY name");
  std::vector<Table> tables;
  while (select.executeStep()) tables.push_back(describe(db, select.getColumn(0).getString()));
  return tables;
}

Table base_table(SQLite::Database& db, std::string_view name) {
  Table table = describe(db, std::string(name));
  LETHE_ASSERT(!table.columns.empty(), "there is no table " + std::string(name));
  return table;
}

std::vector<Reference> references(SQLite::Database& db, const std::string& table) {
  SQLite::Statement select(
      db, "SELECT \"from\", \"table\" FROM pragma_foreign_key_list(?) ORDER BY \"from\"");
  select.bind(1, table);
  std::vector<Reference> out;
  while (select.executeStep()) {
    out.push_back({select.getColumn(0).getString(), select.getColumn(1).getString()});
  }
  return out;
}

std::vector<TableColumn> without(std::vector<TableColumn> columns, const std::string& name) {
  std::erase_if(columns, [&](const auto& column) { return column.name == name; });
  return columns;
}

int place_of(const std::vector<TableColumn>& columns, const std::string& name) {
  const auto found = std::find_if(columns.begin(), columns.end(),
                                  [&](const auto& column) { return column.name == name; });
  LETHE_ASSERT(found != columns.end(), "there is no column " + name);
  return static_cast<int>(found - columns.begin());
}

std::string column_list(const std::vector<TableColumn>& columns) {
  std::string out;
  for (const auto& column : columns) out += (out.empty() ? "" : ", ") + column.name;
  return out;
}

std::string insert_sql(const std::string& table, const std::vector<TableColumn>& columns) {
  std::string marks;
  for (std::size_t i = 0; i < columns.size(); ++i) marks += i == 0 ? "?" : ", ?";
  return "INSERT INTO " + table + " (" + column_list(columns) + ") VALUES (" + marks + ")";
}

bool next_row(SQLite::Statement& rows, const std::filesystem::path& path) {
  try {
    return rows.executeStep();
  } catch (const SQLite::Exception& error) {
    throw_store_error(error, path, "reading rows to merge");
  }
}

void bind_stored(SQLite::Statement& to, int index, const SQLite::Column& from) {
  if (from.isNull()) {
    to.bind(index);
  } else if (from.isInteger()) {
    to.bind(index, from.getInt64());
  } else if (from.isFloat()) {
    to.bind(index, from.getDouble());
  } else if (from.isText()) {
    to.bind(index, from.getString());
  } else {
    // An empty blob has no address, and no address would mean NULL.
    to.bind(index, from.getBytes() == 0 ? "" : from.getBlob(), from.getBytes());
  }
}

}  // namespace lethe::store
