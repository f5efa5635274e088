// SPDX-License-Identifier: Apache-2.0
// Training runs of one database copied into another. Internal to this room.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "harness/store/merge.h"

namespace SQLite {
class Database;
}  // namespace SQLite

namespace lethe::store {

/// The part of merge_databases() (merge.h) that is about training runs, inside a transaction of the
/// caller's. `origins` gives for the id of an origin in the shard that in the database. Counts in
/// `report`, whose path names the shard. Throws Error(kStore) as merge_databases().
void merge_trainings(SQLite::Database& out, const std::filesystem::path& out_path,
                     SQLite::Database& shard, const std::map<std::int64_t, std::int64_t>& origins,
                     ShardReport& report);

/// Error(kStore): two databases say of one key what cannot both be.
[[noreturn]] void throw_contradiction(const std::filesystem::path& shard,
                                      const std::filesystem::path& out, const std::string& what);

}  // namespace lethe::store
