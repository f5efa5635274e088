// SPDX-License-Identifier: Apache-2.0
#include "harness/store/run_store.h"

#include <SQLiteCpp/SQLiteCpp.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "harness/store/bind.h"
#include "harness/store/connection.h"
#include "harness/store/nll_trace.h"
#include "harness/store/query.h"
#include "harness/store/sample_writer.h"

namespace lethe::store {

struct RunStore::State {
  std::filesystem::path path;
  OpenMode mode;
  const Clock* clock;
  std::unique_ptr<SQLite::Database> db;
  std::unique_ptr<SampleWriter> samples = {};  // after db: its statements go first

  // Runs `body` with SQLite's errors turned into ours.
  template <typename Body>
  auto guarded(std::string_view doing, Body&& body) const {
    try {
      return body(*db);
    } catch (const SQLite::Exception& error) {
      throw_store_error(error, path, doing);
    }
  }

  // As guarded(), inside one transaction that is undone when `body` throws.
  template <typename Body>
  auto written(std::string_view doing, Body&& body) const {
    if (mode == OpenMode::kReadOnly) {
      throw Error(ErrorKind::kInternal,
                  path.string() + " is open to read only: " + std::string(doing));
    }
    using Result = decltype(body(*db));
    if constexpr (std::is_void_v<Result>) {
      in_transaction(*db, path, doing, [&] { body(*db); });
    } else {
      std::optional<Result> result;
      in_transaction(*db, path, doing, [&] { result = body(*db); });
      return *result;
    }
  }

  std::string now() const { return utc_text(clock->unix_ms()); }
};

namespace {

constexpr const char* kSelectCell = R"sql(
  SELECT key, suite, task, model, policy, budget, schedule, positions, length, dtype, kv_dtype, seed,
         inputs, n_samples, status, reason, error_kind,
         (SELECT count(*) FROM sample WHERE sample.cell_id = cell.id)
  FROM cell)sql";

StoredCell read_cell(SQLite::Statement& row) {
  StoredCell out;
  CellRecord& cell = out.record;
  int column = 0;
  const auto next = [&] { return row.getColumn(column++); };
  cell.key = next().getString();
  cell.suite = next().getString();
  cell.task = next().getString();
  cell.model = next().getString();
  cell.policy = next().getString();
  if (const auto budget = next(); !budget.isNull()) cell.budget = budget.getInt64();
  cell.schedule = next().getString();
  cell.positions = next().getString();
  cell.length = next().getInt64();
  cell.dtype = next().getString();
  cell.kv_dtype = next().getString();
  cell.seed = next().getInt64();
  cell.inputs = next().getString();
  cell.n_samples = next().getInt64();
  out.status = parse_cell_status(next().getString());
  out.reason = next().getString();
  if (const auto kind = next(); !kind.isNull()) out.kind = static_cast<ErrorKind>(kind.getInt());
  out.samples_done = next().getInt64();
  return out;
}

}  // namespace

RunStore::RunStore(std::unique_ptr<State> state) : state_(std::move(state)) {}
RunStore::~RunStore() = default;
RunStore::RunStore(RunStore&&) noexcept = default;
RunStore& RunStore::operator=(RunStore&&) noexcept = default;

RunStore RunStore::open(const std::filesystem::path& path, OpenMode mode, OpenOptions options,
                        const Clock& clock) {
  auto state = std::make_unique<State>(State{path, mode, &clock, nullptr});
  state->db = mode == OpenMode::kReadOnly ? open_to_read(path, options.busy_timeout, clock)
                                          : open_to_write(path, options.busy_timeout, clock);
  return RunStore(std::move(state));
}

const std::filesystem::path& RunStore::path() const {
  return state_->path;
}

OpenMode RunStore::mode() const {
  return state_->mode;
}

SQLite::Database& RunStore::connection() const {
  return *state_->db;
}

std::int64_t RunStore::begin_run(const ProvenanceRecord& record) {
  return state_->written("storing provenance", [&](SQLite::Database& db) {
    SQLite::Statement insert(db, R"sql(
      INSERT INTO origin (created_at, version, git_commit, git_dirty, compiler, flags, build_type,
        torch_version, cpu, device, threads, host, kernel, command, suite_sha256)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?))sql");
    int index = 0;
    insert.bind(++index, record.created_at.empty() ? state_->now() : record.created_at);
    insert.bind(++index, record.version);
    insert.bind(++index, record.git_commit);
    insert.bind(++index, record.git_dirty ? 1 : 0);
    insert.bind(++index, record.compiler);
    insert.bind(++index, record.flags);
    insert.bind(++index, record.build_type);
    insert.bind(++index, record.torch_version);
    insert.bind(++index, record.cpu);
    insert.bind(++index, record.device);
    insert.bind(++index, record.threads);
    insert.bind(++index, record.host);
    insert.bind(++index, record.kernel);
    insert.bind(++index, record.command);
    insert.bind(++index, record.suite_sha256);
    insert.exec();
    return static_cast<std::int64_t>(db.getLastInsertRowid());
  });
}

void RunStore::add_cells(std::span<const CellRecord> cells) {
  state_->written("storing cells", [&](SQLite::Database& db) {
    const std::string now = state_->now();
    SQLite::Statement insert(db, R"sql(
      INSERT INTO cell (key, suite, task, model, policy, budget, schedule, positions, length, dtype,
        kv_dtype, seed, inputs, n_samples, created_at, updated_at)
      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?15)
      ON CONFLICT (key) DO NOTHING)sql");
    SQLite::Statement member(db, R"sql(
      INSERT INTO suite_cell (suite, cell_id) SELECT ?, id FROM cell WHERE key = ?
      ON CONFLICT DO NOTHING)sql");
    for (const auto& cell : cells) {
      insert.reset();
      int index = 0;
      insert.bind(++index, cell.key);
      insert.bind(++index, cell.suite);
      insert.bind(++index, cell.task);
      insert.bind(++index, cell.model);
      insert.bind(++index, cell.policy);
      bind_optional(insert, ++index, cell.budget);
      insert.bind(++index, cell.schedule);
      insert.bind(++index, cell.positions);
      insert.bind(++index, cell.length);
      insert.bind(++index, cell.dtype);
      insert.bind(++index, cell.kv_dtype);
      insert.bind(++index, cell.seed);
      insert.bind(++index, cell.inputs);
      insert.bind(++index, cell.n_samples);
      insert.bind(++index, now);
      insert.exec();
      member.reset();
      member.bind(1, cell.suite);
      member.bind(2, cell.key);
      member.exec();
    }
  });
}

std::optional<StoredCell> RunStore::cell(std::string_view key) const {
  return state_->guarded("reading a cell", [&](SQLite::Database& db) -> std::optional<StoredCell> {
    SQLite::Statement select(db, std::string(kSelectCell) + " WHERE key = ?");
    select.bind(1, std::string(key));
    if (!select.executeStep()) return std::nullopt;
    return read_cell(select);
  });
}

std::vector<StoredCell> RunStore::cells(std::optional<std::string> suite) const {
  return state_->guarded("reading cells", [&](SQLite::Database& db) {
    std::string sql = kSelectCell;
    if (suite) sql += " WHERE id IN (SELECT cell_id FROM suite_cell WHERE suite = ?)";
    SQLite::Statement select(db, sql + " ORDER BY id");
    if (suite) select.bind(1, *suite);
    std::vector<StoredCell> out;
    while (select.executeStep()) out.push_back(read_cell(select));
    return out;
  });
}

std::set<std::string> RunStore::done_sample_keys(std::string_view cell_key) const {
  return state_->guarded("reading samples", [&](SQLite::Database& db) {
    SQLite::Statement select(db, R"sql(
      SELECT sample_key FROM sample WHERE cell_id = (SELECT id FROM cell WHERE key = ?))sql");
    select.bind(1, std::string(cell_key));
    std::set<std::string> keys;
    while (select.executeStep()) keys.insert(select.getColumn(0).getString());
    return keys;
  });
}

std::vector<bool> RunStore::have_samples(std::span<const std::string> keys) const {
  return state_->guarded("reading samples", [&](SQLite::Database& db) {
    std::vector<bool> have(keys.size());
    // Rows are numbered from 1 and never removed, so the largest number is their count.
    const auto stored = db.execAndGet("SELECT coalesce(max(id), 0) FROM sample").getInt64();
    constexpr std::int64_t kScanFactor = 20;  // a step of a scan to a look-up, roughly
    if (static_cast<std::int64_t>(keys.size()) * kScanFactor < stored) {
      SQLite::Statement select(db, "SELECT 1 FROM sample WHERE sample_key = ?");
      for (std::size_t i = 0; i < keys.size(); ++i) {
        select.reset();
        select.bindNoCopy(1, keys[i]);
        have[i] = select.executeStep();
      }
      return have;
    }
    std::vector<std::uint32_t> sorted(keys.size());
    std::iota(sorted.begin(), sorted.end(), 0U);
    std::sort(sorted.begin(), sorted.end(),
              [&](std::uint32_t a, std::uint32_t b) { return keys[a] < keys[b]; });
    SQLite::Statement select(db, "SELECT sample_key FROM sample ORDER BY sample_key");
    auto next = sorted.begin();
    while (next != sorted.end() && select.executeStep()) {
      const auto column = select.getColumn(0);
      const std::string_view stored_key(column.getText(),
                                        static_cast<std::size_t>(column.getBytes()));
      while (next != sorted.end() && keys[*next] < stored_key) ++next;
      for (; next != sorted.end() && keys[*next] == stored_key; ++next) have[*next] = true;
    }
    return have;
  });
}

std::size_t RunStore::add_samples(std::span<const SampleRow> rows) {
  return state_->written("storing samples", [&](SQLite::Database& db) {
    if (!state_->samples) state_->samples = std::make_unique<SampleWriter>(db);
    return state_->samples->add(rows, state_->now());
  });
}

void RunStore::set_cell_status(std::string_view key, CellStatus status, std::string_view reason,
                               std::optional<ErrorKind> kind) {
  state_->written("storing a cell's status", [&](SQLite::Database& db) {
    SQLite::Statement update(db, R"sql(
      UPDATE cell SET status = ?, reason = ?, error_kind = ?, updated_at = ? WHERE key = ?)sql");
    update.bind(1, to_string(status));
    bind_optional(update, 2, reason.empty() ? std::nullopt : std::optional(std::string(reason)));
    bind_optional(update, 3, kind ? std::optional(static_cast<int>(*kind)) : std::nullopt);
    update.bind(4, state_->now());
    update.bind(5, std::string(key));
    if (update.exec() != 1) {
      throw Error(ErrorKind::kInternal,
                  state_->path.string() + " has no cell with key " + std::string(key));
    }
  });
}

void RunStore::reset_running_cells() {
  state_->written("resetting cells", [&](SQLite::Database& db) {
    SQLite::Statement update(db, R"sql(
      UPDATE cell SET status = 'pending', updated_at = ? WHERE status = 'running')sql");
    update.bind(1, state_->now());
    update.exec();
  });
}

std::vector<float> RunStore::read_nll_trace(std::string_view sample_key) const {
  return state_->guarded("reading an NLL trace", [&](SQLite::Database& db) {
    SQLite::Statement select(db, "SELECT nll_trace FROM sample WHERE sample_key = ?");
    select.bind(1, std::string(sample_key));
    if (!select.executeStep()) {
      throw Error(ErrorKind::kStore,
                  state_->path.string() + " has no sample with key " + std::string(sample_key));
    }
    const auto blob = select.getColumn(0);
    if (blob.isNull()) return std::vector<float>();
    try {
      return decode_nll_trace(
          {static_cast<const char*>(blob.getBlob()), static_cast<std::size_t>(blob.getBytes())});
    } catch (Error& error) {
      error.add_context(state_->path.string() + ": sample " + std::string(sample_key));
      throw;
    }
  });
}

QueryResult RunStore::query(std::string_view sql, std::span<const json::value> parameters,
                            std::chrono::milliseconds limit) const {
  return state_->guarded("running a query", [&](SQLite::Database& db) {
    return run_query(*db.getHandle(), sql, parameters, limit);
  });
}

}  // namespace lethe::store
