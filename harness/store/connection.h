// SPDX-License-Identifier: Apache-2.0
// Opening a database file and turning SQLite's errors into ours. Internal to this room.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "harness/base/clock.h"

namespace SQLite {
class Database;
class Exception;
}  // namespace SQLite

namespace lethe::store {

/// Opens an existing database of ours for reading. A file in WAL mode in a folder that cannot be
/// written is read as immutable; a file of an older schema as a migrated copy in memory.
std::unique_ptr<SQLite::Database> open_to_read(const std::filesystem::path& path,
                                               std::chrono::milliseconds busy_timeout,
                                               const Clock& clock);

/// Opens, or creates with the current schema, a database for writing: WAL, foreign keys. An
/// existing one is checked for damage (see upgrade.h) and migrated to the current schema.
std::unique_ptr<SQLite::Database> open_to_write(const std::filesystem::path& path,
                                                std::chrono::milliseconds busy_timeout,
                                                const Clock& clock);

/// "FILE is damaged (DETAIL); " and what to do about it.
std::string damaged_message(const std::filesystem::path& path, std::string_view detail);

/// Error(kStore) for what SQLite says; `doing` is a verb phrase ("storing samples").
/// Error(kResource) when memory ran out, Error(kInternal) for a broken constraint.
[[noreturn]] void throw_store_error(const SQLite::Exception& error,
                                    const std::filesystem::path& path, std::string_view doing);

/// Runs `body` in one transaction that holds the right to write from its beginning, and is undone
/// when `body` throws. SQLite's errors are turned into ours.
void in_transaction(SQLite::Database& db, const std::filesystem::path& path, std::string_view doing,
                    const std::function<void()>& body);

}  // namespace lethe::store
