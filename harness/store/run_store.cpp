// SPDX-License-Identifier: Apache-2.0
#include "harness/store/run_store.h"

#include <SQLiteCpp/SQLiteCpp.h>

#include <utility>

#include "harness/store/connection.h"
#include "harness/store/nll_trace.h"
#include "harness/store/query.h"

namespace lethe::store {

struct RunStore::State {
  std::filesystem::path path;
  OpenMode mode;
  const Clock* clock;
  std::unique_ptr<SQLite::Database> db;

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
    return guarded(doing, [&](SQLite::Database& database) {
      SQLite::Transaction transaction(database, SQLite::TransactionBehavior::IMMEDIATE);
      if constexpr (std::is_void_v<decltype(body(database))>) {
        body(database);
        transaction.commit();
      } else {
        auto result = body(database);
        transaction.commit();
        return result;
      }
    });
  }

  std::string now() const { return utc_text(clock->unix_ms()); }
};

namespace {

template <typename T>
void bind_optional(SQLite::Statement& statement, int index, const std::optional<T>& value) {
  if (value) {
    statement.bind(index, *value);
  } else {
    statement.bind(index);
  }
}

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

void bind_sample(SQLite::Statement& insert, const SampleRow& row, const std::string& trace,
                 const std::string& now) {
  const SampleRecord& record = row.record;
  int index = 0;
  insert.bind(++index, row.cell_key);
  insert.bind(++index, row.provenance_id);
  insert.bind(++index, record.sample_key);
  insert.bind(++index, record.sample_id);
  insert.bind(++index, record.sample_hash);
  insert.bind(++index, record.cluster);
  insert.bind(++index, record.tokens_in);
  insert.bind(++index, record.tokens_cut);
  insert.bind(++index, record.tokens_shared);
  insert.bind(++index, record.bos_count);
  insert.bind(++index, record.tokens_scored);
  bind_optional(insert, ++index, record.nll_sum);
  bind_optional(insert, ++index, record.score);
  insert.bind(++index, record.output);
  if (record.nll_trace.empty()) {
    insert.bind(++index);
  } else {
    insert.bindNoCopy(++index, trace.data(), static_cast<int>(trace.size()));
  }
  insert.bind(++index, record.tokens_seen);
  insert.bind(++index, record.tokens_evicted);
  insert.bind(++index, record.kept_min);
  insert.bind(++index, record.kept_max);
  if (record.layers.empty()) {
    insert.bind(++index);
  } else {
    insert.bind(++index, record.layers);
  }
  insert.bind(++index, record.kv_bytes);
  insert.bind(++index, record.peak_bytes);
  bind_optional(insert, ++index, record.ttft_ms);
  bind_optional(insert, ++index, record.prefill_tokens_per_s);
  bind_optional(insert, ++index, record.decode_tokens_per_s);
  insert.bind(++index, record.seconds);
  insert.bind(++index, now);
}

}  // namespace

RunStore::RunStore(std::unique_ptr<State> state) : state_(std::move(state)) {}
RunStore::~RunStore() = default;
RunStore::RunStore(RunStore&&) noexcept = default;
RunStore& RunStore::operator=(RunStore&&) noexcept = default;

RunStore RunStore::open(const std::filesystem::path& path, OpenMode mode, OpenOptions options,
                        const Clock& clock) {
  auto state = std::make_unique<State>(State{path, mode, &clock, nullptr});
  state->db = mode == OpenMode::kReadOnly ? open_to_read(path, options.busy_timeout)
                                          : open_to_write(path, options.busy_timeout, clock);
  return RunStore(std::move(state));
}

const std::filesystem::path& RunStore::path() const {
  return state_->path;
}

OpenMode RunStore::mode() const {
  return state_->mode;
}

std::int64_t RunStore::begin_run(const ProvenanceRecord& record) {
  return state_->written("storing provenance", [&](SQLite::Database& db) {
    SQLite::Statement insert(db, R"sql(
      INSERT INTO provenance (created_at, version, git_commit, git_dirty, compiler, build_type,
        torch_version, cpu, device, threads, host, command, suite_sha256)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?))sql");
    int index = 0;
    insert.bind(++index, record.created_at.empty() ? state_->now() : record.created_at);
    insert.bind(++index, record.version);
    insert.bind(++index, record.git_commit);
    insert.bind(++index, record.git_dirty ? 1 : 0);
    insert.bind(++index, record.compiler);
    insert.bind(++index, record.build_type);
    insert.bind(++index, record.torch_version);
    insert.bind(++index, record.cpu);
    insert.bind(++index, record.device);
    insert.bind(++index, record.threads);
    insert.bind(++index, record.host);
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

std::size_t RunStore::add_samples(std::span<const SampleRow> rows) {
  return state_->written("storing samples", [&](SQLite::Database& db) {
    const std::string now = state_->now();
    SQLite::Statement insert(db, R"sql(
      INSERT INTO sample (cell_id, provenance_id, sample_key, sample_id, sample_hash, cluster,
        tokens_in, tokens_cut, tokens_shared, bos_count, tokens_scored, nll_sum, score, output, nll_trace,
        tokens_seen, tokens_evicted, kept_min, kept_max, layers, kv_bytes, peak_bytes, ttft_ms,
        prefill_tokens_per_s, decode_tokens_per_s, seconds, created_at)
      VALUES ((SELECT id FROM cell WHERE key = ?), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,
        ?, ?, ?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT (sample_key) DO NOTHING)sql");
    std::size_t added = 0;
    for (const auto& row : rows) {
      const std::string trace =
          row.record.nll_trace.empty() ? std::string() : encode_nll_trace(row.record.nll_trace);
      insert.reset();
      bind_sample(insert, row, trace, now);
      added += static_cast<std::size_t>(insert.exec());
    }
    return added;
  });
}

void RunStore::set_cell_status(std::string_view key, CellStatus status, std::string_view reason,
                               std::optional<ErrorKind> kind) {
  state_->written("storing a cell's status", [&](SQLite::Database& db) {
    SQLite::Statement update(db, R"sql(
      UPDATE cell SET status = ?, reason = ?, error_kind = ?, updated_at = ? WHERE key = ?)sql");
    update.bind(1, to_string(status));
    if (reason.empty()) {
      update.bind(2);
    } else {
      update.bind(2, std::string(reason));
    }
    if (kind) {
      update.bind(3, static_cast<int>(*kind));
    } else {
      update.bind(3);
    }
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

QueryResult RunStore::query(std::string_view sql, std::span<const json::value> parameters) const {
  return state_->guarded("running a query", [&](SQLite::Database& db) {
    return run_query(*db.getHandle(), sql, parameters);
  });
}

}  // namespace lethe::store
