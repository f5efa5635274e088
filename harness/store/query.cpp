// SPDX-License-Identifier: Apache-2.0
#include "harness/store/query.h"

#include <SQLiteCpp/Exception.h>
#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <string>

#include "harness/base/text.h"

namespace lethe::store {
namespace {

// PRAGMAs that only report. Those of the second list report about their argument; the others would
// set something with one.
constexpr std::array<std::string_view, 11> kReportingPragmas = {
    "application_id", "collation_list", "compile_options", "database_list",
    "encoding",       "freelist_count", "function_list",   "page_count",
    "page_size",      "table_list",     "user_version"};
constexpr std::array<std::string_view, 9> kAskingPragmas = {
    "foreign_key_check", "foreign_key_list", "index_info", "index_list", "index_xinfo",
    "integrity_check",   "quick_check",      "table_info", "table_xinfo"};

bool contains(std::span<const std::string_view> names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Asked by SQLite about every step of a statement while it is prepared. Refuses what changes the
// connection; what changes the file is known when the statement is ready.
int keep_connection(void* denied, int action, const char* first, const char* second, const char*,
                    const char*) {
  bool allowed = true;
  switch (action) {
    case SQLITE_ATTACH:
    case SQLITE_DETACH:
    case SQLITE_TRANSACTION:
    case SQLITE_SAVEPOINT:
      allowed = false;
      break;
    case SQLITE_PRAGMA:
      allowed = contains(kAskingPragmas, first) || (!second && contains(kReportingPragmas, first));
      break;
    default:
      break;
  }
  if (allowed) return SQLITE_OK;
  *static_cast<bool*>(denied) = true;
  return SQLITE_DENY;
}

struct Finalize {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using StatementPtr = std::unique_ptr<sqlite3_stmt, Finalize>;

[[noreturn]] void refuse(const std::string& why, std::string_view sql) {
  throw Error(ErrorKind::kUsage, why + "; statement: " + std::string(sql));
}

// What is wrong with the statement is told as such; everything else is about the file.
[[noreturn]] void fail(const SQLite::Exception& problem, std::string_view sql) {
  switch (problem.getErrorCode()) {
    case SQLITE_ERROR:
    case SQLITE_RANGE:
    case SQLITE_TOOBIG:
    case SQLITE_MISMATCH:
      refuse(std::string("SQLite: ") + problem.what(), sql);
    default:
      throw problem;
  }
}

StatementPtr prepare(sqlite3& db, std::string_view sql) {
  bool denied = false;
  sqlite3_set_authorizer(&db, keep_connection, &denied);
  sqlite3_stmt* raw = nullptr;
  const char* tail = nullptr;
  const int code = sqlite3_prepare_v2(&db, sql.data(), static_cast<int>(sql.size()), &raw, &tail);
  StatementPtr statement(raw);
  const SQLite::Exception problem(&db, code);
  sqlite3_set_authorizer(&db, nullptr, nullptr);
  if (denied || (statement && !sqlite3_stmt_readonly(statement.get()))) {
    refuse("only statements that read are allowed here (SELECT, EXPLAIN, reporting PRAGMAs)", sql);
  }
  if (code != SQLITE_OK) fail(problem, sql);
  if (!statement) refuse("the statement is empty", sql);
  const std::string_view rest(tail, static_cast<std::size_t>(sql.data() + sql.size() - tail));
  if (rest.find_first_not_of(" \t\r\n;") != std::string_view::npos) {
    refuse("expected one statement, found more text after it", sql);
  }
  return statement;
}

void bind(sqlite3_stmt* statement, int index, const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      sqlite3_bind_null(statement, index);
      break;
    case json::kind::bool_:
      sqlite3_bind_int(statement, index, value.get_bool() ? 1 : 0);
      break;
    case json::kind::int64:
      sqlite3_bind_int64(statement, index, value.get_int64());
      break;
    case json::kind::double_:
      sqlite3_bind_double(statement, index, value.get_double());
      break;
    case json::kind::string: {
      const auto& text = value.get_string();
      sqlite3_bind_text(statement, index, text.data(), static_cast<int>(text.size()),
                        SQLITE_TRANSIENT);
      break;
    }
    default:
      throw Error(ErrorKind::kUsage,
                  "a query parameter has to be a number, a text or null, found " +
                      std::string(describe_type(value)));
  }
}

json::value column(sqlite3_stmt* statement, int index) {
  switch (sqlite3_column_type(statement, index)) {
    case SQLITE_INTEGER:
      return static_cast<std::int64_t>(sqlite3_column_int64(statement, index));
    case SQLITE_FLOAT: {
      const double value = sqlite3_column_double(statement, index);
      if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
      return value;
    }
    case SQLITE_TEXT: {
      const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, index));
      const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement, index));
      return json::string(std::string_view(text, size));
    }
    case SQLITE_BLOB: {
      const auto* bytes = static_cast<const unsigned char*>(sqlite3_column_blob(statement, index));
      const int size = sqlite3_column_bytes(statement, index);
      std::string text = "X'";
      for (int i = 0; i < size; ++i) {
        constexpr const char* kDigits = "0123456789ABCDEF";
        text += kDigits[bytes[i] >> 4];
        text += kDigits[bytes[i] & 15];
      }
      return json::string(text + "'");
    }
    default:
      return nullptr;
  }
}

// While it lives, statements of the connection end with SQLITE_INTERRUPT when the time is over.
class TimeLimit {
 public:
  TimeLimit(sqlite3& db, std::chrono::milliseconds limit)
      : db_(db), end_(std::chrono::steady_clock::now() + limit) {
    constexpr int kStepsBetweenLooks = 10'000;  // well below a millisecond
    if (limit.count() > 0) sqlite3_progress_handler(&db_, kStepsBetweenLooks, over, this);
  }
  ~TimeLimit() { sqlite3_progress_handler(&db_, 0, nullptr, nullptr); }
  TimeLimit(const TimeLimit&) = delete;
  TimeLimit& operator=(const TimeLimit&) = delete;

 private:
  static int over(void* self) {
    return std::chrono::steady_clock::now() >= static_cast<TimeLimit*>(self)->end_ ? 1 : 0;
  }

  sqlite3& db_;
  std::chrono::steady_clock::time_point end_;
};

}  // namespace

QueryResult run_query(sqlite3& db, std::string_view sql, std::span<const json::value> parameters,
                      std::chrono::milliseconds limit) {
  const TimeLimit time_limit(db, limit);
  const StatementPtr statement = prepare(db, sql);
  const int wanted = sqlite3_bind_parameter_count(statement.get());
  if (wanted != static_cast<int>(parameters.size())) {
    refuse("expected " + std::to_string(wanted) + " parameters, found " +
               std::to_string(parameters.size()),
           sql);
  }
  for (int i = 0; i < wanted; ++i) {
    bind(statement.get(), i + 1, parameters[static_cast<std::size_t>(i)]);
  }
  QueryResult result;
  const int columns = sqlite3_column_count(statement.get());
  for (int i = 0; i < columns; ++i) {
    result.columns.emplace_back(sqlite3_column_name(statement.get(), i));
  }
  int code = 0;
  while ((code = sqlite3_step(statement.get())) == SQLITE_ROW) {
    auto& row = result.rows.emplace_back();
    row.reserve(static_cast<std::size_t>(columns));
    for (int i = 0; i < columns; ++i) row.push_back(column(statement.get(), i));
  }
  if (code == SQLITE_INTERRUPT) {
    refuse("stopped at the time limit of " +
               fixed(std::chrono::duration<double>(limit).count(), 1) +
               " s; ask for less, or raise it (--time-limit SECONDS, 0 for none)",
           sql);
  }
  if (code != SQLITE_DONE) fail(SQLite::Exception(&db, code), sql);
  return result;
}

}  // namespace lethe::store
