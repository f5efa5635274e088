// SPDX-License-Identifier: Apache-2.0
// The result database: one writer, any number of readers; tables in
// docs/store-schema.md.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/clock.h"
#include "harness/base/error.h"
#include "harness/base/json.h"
#include "harness/store/records.h"

namespace SQLite {
class Database;
}  // namespace SQLite

namespace lethe::store {

enum class OpenMode {
  /// The coordinator: creates the file and its tables where they are missing, brings one of an
  /// older schema up to date, and checks files up to 256 MiB for damage first (reading larger ones
  /// through at every start would take longer than many a run).
  kReadWriteCreate,
  /// Everyone else: the file has to exist and is never changed. One of an older schema is migrated
  /// in memory, which takes as much of it as the file is large; later rows are not seen there.
  kReadOnly,
};

struct OpenOptions {
  /// How long a statement waits for another writer before it fails.
  std::chrono::milliseconds busy_timeout{5000};
};

/// A sample on its way into the database.
struct SampleRow {
  std::string cell_key;
  std::int64_t provenance_id = 0;
  SampleRecord record;
};

/// A cell as stored, with how it ended.
struct StoredCell {
  CellRecord record;
  CellStatus status = CellStatus::kPending;
  std::string reason;             ///< why it is not done; empty for done, pending, running
  std::optional<ErrorKind> kind;  ///< of the reason, where one is known
  std::int64_t samples_done = 0;
};

/// Columns and rows of a query. A value is null, int64, double, string; blobs read as "X'0A1B'"
/// (SQL literal), non-finite doubles as "inf" and "-inf".
struct QueryResult {
  std::vector<std::string> columns;
  std::vector<std::vector<json::value>> rows;
};

/// An open result database. Movable; use from one thread at a time.
///
/// Every function throws Error(kStore) with the file's name: not a database or damaged, made by
/// another program, of a newer schema, of an older one while a run is at work on it, read-only file
/// or folder, locked by another writer, disk full, missing in read-only mode. A write that throws
/// leaves the database as it was before the call.
class RunStore {
 public:
  static RunStore open(const std::filesystem::path& path, OpenMode mode, OpenOptions options = {},
                       const Clock& clock = system_clock());
  ~RunStore();
  RunStore(RunStore&&) noexcept;
  RunStore& operator=(RunStore&&) noexcept;

  const std::filesystem::path& path() const;
  OpenMode mode() const;

  /// Stores where rows of this run come from and returns the id that add_samples() takes.
  std::int64_t begin_run(const ProvenanceRecord& record);

  /// Inserts cells that are not there yet (status pending) and notes that `record.suite` holds
  /// them, in one transaction. A cell that exists keeps its status and its first suite.
  void add_cells(std::span<const CellRecord> cells);

  /// The cell, or nothing.
  std::optional<StoredCell> cell(std::string_view key) const;
  /// All cells, or those of one suite, in order of insertion.
  std::vector<StoredCell> cells(std::optional<std::string> suite = std::nullopt) const;
  /// Keys of the samples of a cell that are in the database.
  std::set<std::string> done_sample_keys(std::string_view cell_key) const;

  /// For each sample key whether a row with it is stored. One pass over the stored keys, or one
  /// look-up per key where far fewer are asked for than stored.
  std::vector<bool> have_samples(std::span<const std::string> keys) const;

  /// Stores samples in one transaction. A sample key that is there already is ignored. Returns how
  /// many rows were new. Throws Error(kInternal) when a row names no stored cell or provenance.
  std::size_t add_samples(std::span<const SampleRow> rows);

  /// How a cell stands. `reason` and `kind` are for every status that is not pending, running,
  /// done.
  void set_cell_status(std::string_view key, CellStatus status, std::string_view reason = {},
                       std::optional<ErrorKind> kind = std::nullopt);

  /// Cells that a coordinator left `running` when it was killed become pending. For the holder of
  /// the StoreLock.
  void reset_running_cells();

  /// The per-token NLL (nats) of a sample; empty where it has none. Throws Error(kStore) when the
  /// sample is unknown or its blob is damaged.
  std::vector<float> read_nll_trace(std::string_view sample_key) const;

  /// Runs one reading statement with `parameters` bound to ?1, ?2, … Refuses, with Error(kUsage),
  /// statements that write, attach files or come in a batch; SQLite's own complaint about the SQL
  /// is an Error(kUsage) that quotes the statement. So is running for longer than `limit` (zero:
  /// no limit).
  QueryResult query(std::string_view sql, std::span<const json::value> parameters = {},
                    std::chrono::milliseconds limit = std::chrono::milliseconds(0)) const;

 private:
  friend class TrainingStore;  // writes its tables through the same connection
  SQLite::Database& connection() const;

  struct State;
  explicit RunStore(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace lethe::store
