// SPDX-License-Identifier: Apache-2.0
#include "harness/store/connection.h"

#include <SQLiteCpp/SQLiteCpp.h>
#include <sqlite3.h>

#include <cstdio>
#include <string>
#include <thread>

#include "harness/base/error.h"
#include "harness/store/schema.h"
#include "harness/store/sql_functions.h"
#include "harness/store/upgrade.h"

namespace lethe::store {
namespace {

namespace fs = std::filesystem;

// The switch to WAL needs the file for itself and does not wait for it like a statement does.
void switch_to_wal(SQLite::Database& db, std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (true) {
    try {
      db.exec("PRAGMA journal_mode = WAL");
      return;
    } catch (const SQLite::Exception& error) {
      if (error.getErrorCode() != SQLITE_BUSY || std::chrono::steady_clock::now() >= deadline)
        throw;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }
}

// Sample keys are random, so that every commit touches pages all over their index: those stay in
// memory (64 MiB at most) and go back into the file every 64 MiB of log, not every 4. Commits still
// wait for the disk (synchronous = FULL).
void tune_for_writing(SQLite::Database& db) {
  db.exec("PRAGMA cache_size = -65536");
  db.exec("PRAGMA wal_autocheckpoint = 16384");
}

void refuse_folder(const fs::path& path) {
  std::error_code ec;
  if (!fs::is_directory(path, ec)) return;
  throw Error(ErrorKind::kStore, path.string() + " is a folder; give --db the name of a file");
}

std::string uri(const fs::path& path) {
  std::string out = "file:";
  for (const char letter : fs::absolute(path).string()) {
    const bool plain = std::isalnum(static_cast<unsigned char>(letter)) || letter == '/' ||
                       letter == '.' || letter == '-' || letter == '_';
    char escaped[4];
    std::snprintf(escaped, sizeof escaped, "%%%02X", static_cast<unsigned char>(letter));
    out += plain ? std::string(1, letter) : escaped;
  }
  return out + "?immutable=1";
}

std::unique_ptr<SQLite::Database> connect(const std::string& name, int flags,
                                          std::chrono::milliseconds busy_timeout) {
  // Without SQLite's own locks: a RunStore is used from one thread at a time.
  auto db = std::make_unique<SQLite::Database>(name.c_str(), flags | SQLite::OPEN_NOMUTEX,
                                               static_cast<int>(busy_timeout.count()));
  register_sql_functions(*db->getHandle());
  return db;
}

}  // namespace

std::string damaged_message(const fs::path& path, std::string_view detail) {
  return path.string() + " is damaged (" + std::string(detail) +
         "); restore a copy, or save what can be read with `sqlite3 " + path.string() +
         " .recover`";
}

void throw_store_error(const SQLite::Exception& error, const fs::path& path,
                       std::string_view doing) {
  const std::string file = path.string();
  const std::string detail = std::string(doing) + ": " + error.what();
  switch (error.getErrorCode()) {
    case SQLITE_NOTADB:
      throw Error(ErrorKind::kStore, file + " is not a result database, or damaged at its start (" +
                                         detail + "); give another --db");
    case SQLITE_CORRUPT:
      throw Error(ErrorKind::kStore, damaged_message(path, detail));
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      throw Error(ErrorKind::kStore, file + " is locked by another program (" + detail +
                                         "); close that program or wait for it, then run again");
    case SQLITE_READONLY:
    case SQLITE_PERM:
      throw Error(ErrorKind::kStore, file + " or its folder is read-only (" + detail +
                                         "); give a --db in a folder you may write to");
    case SQLITE_CANTOPEN:
      throw Error(ErrorKind::kStore, file + " cannot be opened (" + detail +
                                         "); check that its folder exists and may be written to");
    case SQLITE_FULL:
      throw Error(ErrorKind::kStore,
                  "the disk with " + file + " is full (" + detail +
                      "); what was stored before is kept: make room and run again");
    case SQLITE_NOMEM:
      throw Error(ErrorKind::kResource, "out of memory with " + file + " (" + detail + ")");
    case SQLITE_CONSTRAINT:
      throw Error(ErrorKind::kInternal, file + ": broken rule of the schema (" + detail + ")");
    default:
      throw Error(ErrorKind::kStore, file + " cannot be used (" + detail + ", code " +
                                         std::to_string(error.getExtendedErrorCode()) +
                                         "); check the disk and its free space");
  }
}

void in_transaction(SQLite::Database& db, const fs::path& path, std::string_view doing,
                    const std::function<void()>& body) {
  try {
    SQLite::Transaction transaction(db, SQLite::TransactionBehavior::IMMEDIATE);
    body();
    transaction.commit();
  } catch (const SQLite::Exception& error) {
    throw_store_error(error, path, doing);
  }
}

std::unique_ptr<SQLite::Database> open_to_read(const fs::path& path,
                                               std::chrono::milliseconds busy_timeout,
                                               const Clock& clock) {
  std::error_code ec;
  if (!fs::exists(path, ec)) {
    throw Error(ErrorKind::kStore,
                "there is no result database at " + path.string() + "; `lethe run` makes one");
  }
  refuse_folder(path);
  try {
    auto db = connect(path.string(), SQLite::OPEN_READONLY, busy_timeout);
    const auto checked = [&]() -> std::unique_ptr<SQLite::Database> {
      const int found = schema_version(*db, path);
      if (found == 0) {
        throw Error(ErrorKind::kStore, path.string() + " is empty; `lethe run` fills it");
      }
      return found < kSchemaVersion ? upgraded_copy(*db, path, clock) : std::move(db);
    };
    try {
      return checked();
    } catch (const SQLite::Exception& error) {
      // Reading in WAL mode wants to create two files beside the database. Without a log there is
      // nothing in them, and nobody can be writing in a folder that cannot be written to.
      const bool unwritable =
          error.getErrorCode() == SQLITE_CANTOPEN || error.getErrorCode() == SQLITE_READONLY;
      if (!unwritable || fs::exists(path.string() + "-wal", ec)) throw;
      db = connect(uri(path), SQLite::OPEN_READONLY | SQLite::OPEN_URI, busy_timeout);
      return checked();
    }
  } catch (const SQLite::Exception& error) {
    throw_store_error(error, path, "opening to read");
  }
}

std::unique_ptr<SQLite::Database> open_to_write(const fs::path& path,
                                                std::chrono::milliseconds busy_timeout,
                                                const Clock& clock) {
  std::error_code ec;
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  if (!fs::is_directory(folder, ec)) {
    throw Error(ErrorKind::kStore, "cannot create " + path.string() + ": the folder " +
                                       folder.string() + " does not exist; create it first");
  }
  refuse_folder(path);
  try {
    auto db = connect(path.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE, busy_timeout);
    if (sqlite3_db_readonly(db->getHandle(), "main") == 1) {
      throw Error(ErrorKind::kStore,
                  path.string() + " is read-only; make it writable or give another --db");
    }
    const int found = schema_version(*db, path);
    if (found > 0) check_integrity(*db, path);
    if (found < kSchemaVersion) bring_up_to_date(*db, path, clock);
    switch_to_wal(*db, busy_timeout);
    db->exec("PRAGMA foreign_keys = ON");
    tune_for_writing(*db);
    return db;
  } catch (const SQLite::Exception& error) {
    throw_store_error(error, path, "opening to write");
  }
}

}  // namespace lethe::store
