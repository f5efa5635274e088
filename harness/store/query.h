// SPDX-License-Identifier: Apache-2.0
// Runs one reading statement on an open connection. Internal to this room.
#pragma once

#include <chrono>
#include <span>
#include <string_view>

#include "harness/base/json.h"
#include "harness/store/run_store.h"

struct sqlite3;

namespace lethe::store {

/// Body of RunStore::query(); a `limit` of zero is none. Throws SQLite::Exception on what is wrong
/// with the file, Error(kUsage) on what is wrong with the statement.
QueryResult run_query(sqlite3& db, std::string_view sql, std::span<const json::value> parameters,
                      std::chrono::milliseconds limit);

}  // namespace lethe::store
