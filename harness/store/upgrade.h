// SPDX-License-Identifier: Apache-2.0
// What a database holds, and how an empty or old one gets the current schema. Internal to this
// room.
#pragma once

#include <filesystem>
#include <memory>

#include "harness/base/clock.h"

namespace SQLite {
class Database;
}  // namespace SQLite

namespace lethe::store {

/// Largest file that check_integrity() reads through. The check reads every page: 0.3 s for 100 MB
/// from memory, minutes for a grid of gigabytes on a slow disk, at every start of a run.
inline constexpr std::uintmax_t kMaxCheckedBytes = std::uintmax_t{256} << 20;

/// Schema version of a database of ours, 0 for an empty one, both from one snapshot. Throws
/// Error(kStore) for a database of another program or of a newer schema.
int schema_version(SQLite::Database& db, const std::filesystem::path& path);

/// Gives an empty database the current schema, or an old one all migrations, in one exclusive
/// transaction. Does nothing when another process was faster. Throws Error(kStore) when a run is at
/// work on an old database or its rows break a rule of the new schema; it then stays as it was.
void bring_up_to_date(SQLite::Database& db, const std::filesystem::path& path, const Clock& clock);

/// The old database `db` as a copy in memory with the current schema: takes as much memory as the
/// file is large. The copy refuses writes.
std::unique_ptr<SQLite::Database> upgraded_copy(SQLite::Database& db,
                                                const std::filesystem::path& path,
                                                const Clock& clock);

/// `PRAGMA quick_check` and `foreign_key_check`. Throws Error(kStore) with what to do. Files above
/// kMaxCheckedBytes are not checked.
void check_integrity(SQLite::Database& db, const std::filesystem::path& path);

}  // namespace lethe::store
