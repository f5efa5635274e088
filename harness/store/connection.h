// SPDX-License-Identifier: Apache-2.0
// Opening a database file and turning SQLite's errors into ours. Internal to this room.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string_view>

#include "harness/base/clock.h"

namespace SQLite {
class Database;
class Exception;
}  // namespace SQLite

namespace lethe::store {

/// Opens an existing database of ours for reading. A file in WAL mode in a folder that cannot be
/// written is read as immutable.
std::unique_ptr<SQLite::Database> open_to_read(const std::filesystem::path& path,
                                               std::chrono::milliseconds busy_timeout);

/// Opens, or creates with the current schema, a database for writing: WAL, foreign keys.
std::unique_ptr<SQLite::Database> open_to_write(const std::filesystem::path& path,
                                                std::chrono::milliseconds busy_timeout,
                                                const Clock& clock);

/// Error(kStore) for what SQLite says; `doing` is a verb phrase ("storing samples").
/// Error(kResource) when memory ran out, Error(kInternal) for a broken constraint.
[[noreturn]] void throw_store_error(const SQLite::Exception& error,
                                    const std::filesystem::path& path, std::string_view doing);

}  // namespace lethe::store
