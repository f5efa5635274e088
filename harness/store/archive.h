// SPDX-License-Identifier: Apache-2.0
// The text archive of a result database: everything in it, readable without SQLite.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "harness/base/clock.h"
#include "harness/store/merge.h"

namespace lethe::store {

/// Rows by table.
using RowCounts = std::map<std::string, std::int64_t>;

/// Writes every row of every table as JSON lines (docs/user-guide.md, "Joining, keeping and
/// checking results"): a header line, one object {table: {column: value}} per row, tables and
/// columns by name and rows by primary key, and a last line with the number of rows and the SHA-256
/// of all lines before it. Values: archive_values.h. Equal contents give equal bytes. The file is
/// written beside `file` and then put in its place.
///
/// Throws Error(kStore): the database cannot be read, the file cannot be written.
RowCounts export_archive(const std::filesystem::path& database, const std::filesystem::path& file,
                         const Clock& clock = system_clock());

/// Brings archives into `database`. Where there is no such file yet the first archive becomes it,
/// row by row with the same ids; everything else is merged (merge.h), one report per archive
/// (nothing for the one that became the file). A damaged archive changes nothing.
///
/// For the holder of the StoreLock. Throws Error(kData) that names file and line of a damaged
/// archive, Error(kStore) as merge_databases().
std::vector<ShardReport> import_archives(const std::filesystem::path& database,
                                         std::span<const std::filesystem::path> archives,
                                         const Clock& clock = system_clock());

}  // namespace lethe::store
