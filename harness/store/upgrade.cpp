// SPDX-License-Identifier: Apache-2.0
#include "harness/store/upgrade.h"

#include <SQLiteCpp/Backup.h>
#include <SQLiteCpp/SQLiteCpp.h>
#include <sqlite3.h>

#include <string>
#include <vector>

#include "harness/base/error.h"
#include "harness/base/version.h"
#include "harness/store/connection.h"
#include "harness/store/schema.h"
#include "harness/store/sql_functions.h"
#include "harness/store/store_lock.h"

namespace lethe::store {
namespace {

namespace fs = std::filesystem;

int pragma(SQLite::Database& db, const char* name) {
  return db.execAndGet(std::string("PRAGMA ") + name).getInt();
}

int read_version(SQLite::Database& db, const fs::path& path) {
  const int application = pragma(db, "application_id");
  const int schema = pragma(db, "user_version");
  const bool empty = db.execAndGet("SELECT count(*) FROM sqlite_schema").getInt() == 0;
  if (application == 0 && schema == 0 && empty) return 0;
  if (application != kApplicationId) {
    throw Error(ErrorKind::kStore,
                path.string() + " is an SQLite database of another program (application_id " +
                    std::to_string(application) + "); give another --db");
  }
  if (schema > kSchemaVersion) {
    throw Error(ErrorKind::kStore, path.string() + " has schema version " + std::to_string(schema) +
                                       ", this program knows versions up to " +
                                       std::to_string(kSchemaVersion) +
                                       "; use the newer Lethe that wrote it");
  }
  if (schema < 1) {
    throw Error(ErrorKind::kStore, path.string() + " is damaged: schema version " +
                                       std::to_string(schema) + ", expected at least 1");
  }
  return schema;
}

void put_meta(SQLite::Database& db, const std::string& name, const std::string& value) {
  SQLite::Statement meta(db, "INSERT INTO meta (name, value) VALUES (?, ?)");
  meta.bind(1, name);
  meta.bind(2, value);
  meta.exec();
}

std::string this_program() {
  return "lethe " + version().version + " (" + version().git_commit + ")";
}

void create_schema(SQLite::Database& db, const Clock& clock) {
  db.exec(kTablesSql);
  db.exec(kViewsSql);
  put_meta(db, "created_at", utc_text(clock.unix_ms()));
  put_meta(db, "created_by", this_program());
  db.exec("PRAGMA application_id = " + std::to_string(kApplicationId));
}

std::string first_broken_reference(SQLite::Database& db) {
  SQLite::Statement check(db, "PRAGMA foreign_key_check");
  if (!check.executeStep()) return "";
  const auto text = [&](int column) { return check.getColumn(column).getString(); };
  return "row " + text(1) + " of table " + text(0) + " refers to a row of table " + text(2) +
         " that is not there";
}

void migrate(SQLite::Database& db, int from, const Clock& clock) {
  const auto view_names = [&] {
    std::vector<std::string> names;
    SQLite::Statement select(db, "SELECT name FROM sqlite_schema WHERE type = 'view'");
    while (select.executeStep()) names.push_back(select.getColumn(0).getString());
    return names;
  };
  for (const auto& view : view_names()) db.exec("DROP VIEW \"" + view + '"');
  for (int step = from; step < kSchemaVersion; ++step) db.exec(migration_sql(step));
  db.exec(kViewsSql);
  for (const auto& view : view_names()) db.exec("SELECT * FROM \"" + view + "\" LIMIT 0");
  put_meta(db, "migrated_from_" + std::to_string(from),
           utc_text(clock.unix_ms()) + " by " + this_program());
}

// In an open transaction.
void bring_up_to_date_inside(SQLite::Database& db, int from, const fs::path& path,
                             const Clock& clock) {
  try {
    if (from == 0) {
      create_schema(db, clock);
    } else {
      migrate(db, from, clock);
    }
  } catch (const SQLite::Exception& error) {
    const int code = error.getErrorCode();
    if (from == 0 || (code != SQLITE_CONSTRAINT && code != SQLITE_ERROR)) throw;
    throw Error(ErrorKind::kStore,
                path.string() + " cannot be brought from schema version " + std::to_string(from) +
                    " to " + std::to_string(kSchemaVersion) +
                    ": its tables or rows are not what a released Lethe writes (" + error.what() +
                    "); the file is as it was: start a new --db");
  }
  db.exec("PRAGMA user_version = " + std::to_string(kSchemaVersion));
}

[[noreturn]] void throw_damaged(const fs::path& path, const std::string& detail) {
  throw Error(ErrorKind::kStore, damaged_message(path, detail));
}

}  // namespace

int schema_version(SQLite::Database& db, const fs::path& path) {
  // One snapshot: another process may be creating the schema just now.
  SQLite::Transaction snapshot(db);
  return read_version(db, path);
}

void bring_up_to_date(SQLite::Database& db, const fs::path& path, const Clock& clock) {
  // Exclusive, and asked again inside: several processes may open one file at once.
  db.exec("PRAGMA foreign_keys = OFF");
  db.exec("BEGIN EXCLUSIVE");
  try {
    const int from = read_version(db, path);
    if (from > 0 && from < kSchemaVersion) {
      if (const auto holder = StoreLock::holder(path)) {
        throw Error(ErrorKind::kStore, path.string() + " has schema version " +
                                           std::to_string(from) + " and is in use by a run (" +
                                           *holder + "); wait for its end, then run again");
      }
    }
    if (from < kSchemaVersion) bring_up_to_date_inside(db, from, path, clock);
    db.exec("COMMIT");
  } catch (...) {
    db.tryExec("ROLLBACK");
    throw;
  }
}

std::unique_ptr<SQLite::Database> upgraded_copy(SQLite::Database& db, const fs::path& path,
                                                const Clock& clock) {
  auto copy =
      std::make_unique<SQLite::Database>(":memory:", SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
  register_sql_functions(*copy->getHandle());
  SQLite::Backup backup(*copy, db);
  if (const int code = backup.executeStep(-1); code != SQLITE_DONE) {
    throw SQLite::Exception(db.getHandle(), code);
  }
  SQLite::Transaction transaction(*copy);
  bring_up_to_date_inside(*copy, read_version(*copy, path), path, clock);
  transaction.commit();
  copy->exec("PRAGMA query_only = ON");
  return copy;
}

void check_integrity(SQLite::Database& db, const fs::path& path) {
  std::error_code ec;
  const auto size = fs::file_size(path, ec);
  if (ec || size > kMaxCheckedBytes) return;
  const std::string found = db.execAndGet("PRAGMA quick_check(1)").getString();
  if (found != "ok") throw_damaged(path, found);
  const std::string broken = first_broken_reference(db);
  if (!broken.empty()) throw_damaged(path, broken);
}

}  // namespace lethe::store
