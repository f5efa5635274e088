// SPDX-License-Identifier: Apache-2.0
#include "harness/store/archive.h"

#include <SQLiteCpp/SQLiteCpp.h>
#include <sqlite3.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <utility>

#include "harness/base/error.h"
#include "harness/base/hash.h"
#include "harness/base/json.h"
#include "harness/base/names.h"
#include "harness/store/archive_values.h"
#include "harness/store/connection.h"
#include "harness/store/schema.h"
#include "harness/store/tables.h"

namespace lethe::store {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds kBusyTimeout{5000};
constexpr const char* kFormat = "lethe-archive";
constexpr std::int64_t kFormatVersion = 1;

json::object header() {
  return {{"format", kFormat}, {"version", kFormatVersion}, {"schema", kSchemaVersion}};
}

json::object last_line(std::int64_t rows, const std::string& sha256) {
  return {{"end", json::object{{"rows", rows}, {"sha256", sha256}}}};
}

void put_in_place(const fs::path& made, const fs::path& wanted) {
  std::error_code ec;
  fs::rename(made, wanted, ec);
  if (ec) {
    throw Error(ErrorKind::kStore, "cannot write " + wanted.string() + ": " + ec.message() +
                                       "; its folder has to be one you may write to");
  }
}

bool is_database(const fs::path& path) {
  constexpr std::string_view kMagic = "SQLite format 3";
  std::string start(kMagic.size(), '\0');
  std::ifstream(path, std::ios::binary)
      .read(start.data(), static_cast<std::streamsize>(start.size()));
  return start == kMagic;
}

// A log that a removed database left would be taken for the new one's.
void refuse_leftovers(const fs::path& database) {
  for (const char* suffix : {"-wal", "-shm", "-journal"}) {
    const fs::path left = database.string() + suffix;
    std::error_code ec;
    if (!fs::exists(left, ec)) continue;
    throw Error(ErrorKind::kStore, left.string() + " is left of a database " + database.string() +
                                       " that is gone; remove it, or name another database");
  }
}

/// A file that takes its name when it is complete.
class NewFile {
 public:
  explicit NewFile(fs::path path)
      : path_(std::move(path)), beside_(path_.string() + "." + std::to_string(getpid()) + ".new") {
    std::error_code ec;
    if (fs::exists(path_, ec) && !fs::is_regular_file(path_, ec)) {
      throw Error(ErrorKind::kStore, "cannot write " + path_.string() +
                                         ": it is there and no regular file; name another one");
    }
    if (is_database(path_)) {
      throw Error(ErrorKind::kStore, path_.string() +
                                         " is a database; an archive would replace it: "
                                         "name another file");
    }
    out_.open(beside_, std::ios::binary | std::ios::trunc);
    check();
  }
  ~NewFile() {
    std::error_code ec;
    fs::remove(beside_, ec);
  }
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  void line(const std::string& text) {
    out_ << text << '\n';
    hash_.update(text).update("\n");
    check();
  }
  void finish(std::int64_t rows) {
    out_ << json::serialize(last_line(rows, hash_.hex())) << '\n';
    out_.close();
    check();
    put_in_place(beside_, path_);
  }

 private:
  void check() const {
    if (out_) return;
    throw Error(ErrorKind::kStore, "cannot write " + path_.string() + ": " + std::strerror(errno) +
                                       "; check that its folder exists, may be written to and has "
                                       "room");
  }

  fs::path path_, beside_;
  std::ofstream out_;
  Sha256 hash_;
};

/// A database in the making beside the one it is meant for; gone at the end unless it was kept.
class Draft {
 public:
  explicit Draft(const fs::path& target)
      : path_(target.string() + "." + std::to_string(getpid()) + ".import") {
    remove();
  }
  ~Draft() { remove(); }
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;
  const fs::path& path() const { return path_; }

 private:
  void remove() const {
    for (const char* suffix : {"", "-wal", "-shm", "-journal"}) {
      std::error_code ec;
      fs::remove(path_.string() + suffix, ec);
    }
  }
  fs::path path_;
};

/// Reads the lines of one archive into an empty database.
class ArchiveReader {
 public:
  ArchiveReader(const fs::path& file, SQLite::Database& db)
      : file_(file), in_(file, std::ios::binary), db_(db) {
    if (!in_ || fs::is_directory(file)) {
      throw Error(ErrorKind::kData, "archive " + file.string() +
                                        " cannot be read; expected a file of `lethe export`");
    }
  }

  void load() {
    read_header();
    for (const auto& table : base_tables(db_)) {
      db_.exec("DELETE FROM " + table.name);  // what a new database says of itself
      Target target{table, SQLite::Statement(db_, insert_sql(table.name, table.columns))};
      names_.push_back(table.name);
      targets_.emplace(table.name, std::move(target));
    }
    std::int64_t rows = 0;
    while (!read_row(rows)) ++rows;
    std::string more;
    if (std::getline(in_, more)) {
      ++number_;
      damaged("expected nothing after the last line");
    }
    if (SQLite::Statement broken(db_, "PRAGMA foreign_key_check"); broken.executeStep()) {
      throw Error(ErrorKind::kData, "archive " + file_.string() + " is damaged: a row of " +
                                        broken.getColumn(0).getString() + " names a row of " +
                                        broken.getColumn(2).getString() + " that is not there");
    }
  }

 private:
  struct Target {
    Table table;
    SQLite::Statement insert;
  };

  [[noreturn]] void damaged(const std::string& why) const {
    throw Error(ErrorKind::kData, "archive " + file_.string() + ", line " +
                                      std::to_string(number_) + " is damaged: " + why);
  }

  json::object next_object() {
    std::string line;
    before_ = std::exchange(so_far_, "");
    ++number_;
    if (!std::getline(in_, line)) damaged("the archive ends here, expected more lines");
    if (in_.eof()) damaged("it has no end: the archive was cut off");
    so_far_ = line + "\n";
    json::error_code ec;
    json::value value = json::parse(line, ec);
    if (ec) damaged("not valid JSON: " + ec.message());
    if (!value.is_object())
      damaged("expected an object, found " + std::string(describe_type(value)));
    // The last line is hashed by nobody, every other one when the next is there.
    hash_.update(before_);
    return std::move(value.get_object());
  }

  void read_header() {
    const json::object found = next_object();
    const auto* format = found.if_contains("format");
    if (!format || *format != kFormat) {
      throw Error(ErrorKind::kData, file_.string() +
                                        " is no archive of `lethe export`: expected a first line "
                                        "with \"format\": \"" +
                                        kFormat + "\"");
    }
    if (found != header()) {
      throw Error(ErrorKind::kData,
                  "archive " + file_.string() + ": expected version " +
                      std::to_string(kFormatVersion) + " and schema " +
                      std::to_string(kSchemaVersion) + ", found " + json::serialize(found) +
                      "; import it with the Lethe that wrote it: a newer one reads "
                      "the database that this gives");
    }
  }

  /// False after a row, true after the last line.
  bool read_row(std::int64_t rows) {
    const json::object line = next_object();
    if (line.size() != 1) damaged("expected one table with one row");
    const std::string name(line.begin()->key());
    const auto& value = line.begin()->value();
    if (name == "end") {
      if (line != last_line(rows, hash_.hex())) {
        damaged("expected " + std::to_string(rows) +
                " rows and the SHA-256 of the lines before, found " + json::serialize(value) +
                ": lines were changed or lost");
      }
      return true;
    }
    const auto found = targets_.find(name);
    if (found == targets_.end()) {
      damaged(unknown_name(ErrorKind::kData, "table", name, names_).what());
    }
    if (!value.is_object()) damaged("expected an object of columns");
    insert(found->second, value.get_object());
    return false;
  }

  void insert(Target& target, const json::object& row) {
    const auto& columns = target.table.columns;
    target.insert.reset();
    for (std::size_t i = 0; i < columns.size(); ++i) {
      const auto* value = row.if_contains(columns[i].name);
      if (!value) damaged("column " + target.table.name + "." + columns[i].name + " is missing");
      try {
        bind_archived(target.insert, static_cast<int>(i) + 1, columns[i].type, *value);
      } catch (const Error& error) {
        damaged(target.table.name + "." + columns[i].name + ": " + error.what());
      }
    }
    if (row.size() != columns.size()) {
      damaged("expected the " + std::to_string(columns.size()) + " columns of " +
              target.table.name + ", found " + std::to_string(row.size()));
    }
    try {
      target.insert.exec();
    } catch (const SQLite::Exception& error) {
      if (error.getErrorCode() != SQLITE_CONSTRAINT) throw;
      damaged(std::string("the row breaks a rule of the table: ") + error.what());
    }
  }

  const fs::path& file_;
  std::ifstream in_;
  SQLite::Database& db_;
  std::int64_t number_ = 0;
  std::string so_far_, before_;
  Sha256 hash_;
  std::vector<std::string> names_;
  std::map<std::string, Target> targets_;
};

void load_archive(const fs::path& file, const fs::path& database, const Clock& clock) {
  const auto db = open_to_write(database, kBusyTimeout, clock);
  try {
    SQLite::Transaction transaction(*db, SQLite::TransactionBehavior::IMMEDIATE);
    db->exec("PRAGMA defer_foreign_keys = ON");  // tables come by name, whatever they refer to
    ArchiveReader(file, *db).load();
    transaction.commit();
    // Everything into the file itself, with its errors: the file alone takes its place.
    const std::string mode = db->execAndGet("PRAGMA journal_mode = DELETE").getString();
    if (mode != "delete") {
      throw Error(ErrorKind::kStore, database.string() + " keeps its log (" + mode + ")");
    }
  } catch (const SQLite::Exception& error) {
    throw_store_error(error, database, "importing " + file.string());
  }
}

std::int64_t write_rows(SQLite::Database& db, const Table& table, NewFile& out) {
  std::string order;
  for (const auto& column : table.key) order += (order.empty() ? "" : ", ") + column;
  SQLite::Statement rows(
      db, "SELECT " + column_list(table.columns) + " FROM " + table.name + " ORDER BY " + order);
  std::int64_t count = 0;
  for (; rows.executeStep(); ++count) {
    json::object row;
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
      row[table.columns[i].name] = archived(rows.getColumn(static_cast<int>(i)));
    }
    out.line(json::serialize(json::object{{table.name, std::move(row)}}));
  }
  return count;
}

}  // namespace

RowCounts export_archive(const fs::path& database, const fs::path& file, const Clock& clock) {
  const auto db = open_to_read(database, kBusyTimeout, clock);
  NewFile out(file);
  RowCounts counts;
  std::int64_t total = 0;
  try {
    SQLite::Transaction snapshot(*db);
    out.line(json::serialize(header()));
    for (const auto& table : base_tables(*db)) {
      total += counts[table.name] = write_rows(*db, table, out);
    }
  } catch (const SQLite::Exception& error) {
    throw_store_error(error, database, "exporting");
  }
  out.finish(total);
  return counts;
}

std::vector<ShardReport> import_archives(const fs::path& database,
                                         std::span<const fs::path> archives, const Clock& clock) {
  std::vector<ShardReport> reports;
  for (const auto& archive : archives) {
    std::error_code ec;
    if (!fs::exists(database, ec)) refuse_leftovers(database);
    const Draft draft(database);
    load_archive(archive, draft.path(), clock);
    if (!fs::exists(database, ec)) {
      put_in_place(draft.path(), database);
      continue;
    }
    try {
      auto merged = merge_databases(database, std::array{draft.path()}, clock);
      merged.front().path = archive;
      reports.push_back(std::move(merged.front()));
    } catch (Error& error) {
      throw error.add_context("archive " + archive.string());
    }
  }
  return reports;
}

}  // namespace lethe::store
