// SPDX-License-Identifier: Apache-2.0
#include "harness/store/training_curves.h"

#include <SQLiteCpp/SQLiteCpp.h>

#include <array>

#include "harness/base/error.h"
#include "harness/base/json.h"
#include "harness/store/bind.h"
#include "harness/store/connection.h"

namespace lethe::store {
namespace {

RunStore& writable(RunStore& store) {
  LETHE_ASSERT(store.mode() == OpenMode::kReadWriteCreate,
               store.path().string() + " is open to read only: storing training runs");
  return store;
}

void bind_record(SQLite::Statement& insert, const TrainingRecord& record, const std::string& now) {
  insert.bind(1, training_key(record));
  insert.bind(2, record.kind);
  insert.bind(3, record.name);
  insert.bind(4, canonical_json(record.recipe));
  insert.bind(5, record.seed);
  insert.bind(6, now);
}

// Notes that something of a run has changed, and that there is such a run.
void touch(SQLite::Database& db, const std::filesystem::path& path, std::int64_t id,
           const std::string& now) {
  SQLite::Statement update(db, "UPDATE training SET updated_at = ? WHERE id = ?");
  update.bind(1, now);
  update.bind(2, id);
  LETHE_ASSERT(update.exec() == 1,
               path.string() + " has no training run with id " + std::to_string(id));
}

}  // namespace

TrainingStore::TrainingStore(RunStore& store, const std::string& command, const Clock& clock)
    : store_(writable(store)), lock_(store.path(), command, clock), clock_(clock) {
  SQLite::Database& db = store_.connection();
  in_transaction(db, store_.path(), "resetting training runs", [&] {
    SQLite::Statement update(db, R"sql(
      UPDATE training SET status = 'interrupted', reason = 'its program ended without a word',
        updated_at = ?
      WHERE status = 'running')sql");
    update.bind(1, now());
    update.exec();
  });
}

std::string TrainingStore::now() const {
  return utc_text(clock_.unix_ms());
}

void TrainingStore::plan(std::span<const TrainingRecord> records) {
  SQLite::Database& db = store_.connection();
  in_transaction(db, store_.path(), "storing training runs", [&] {
    SQLite::Statement insert(db, R"sql(
      INSERT INTO training (key, kind, name, recipe, seed, created_at, updated_at)
      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)
      ON CONFLICT (key) DO NOTHING)sql");
    for (const TrainingRecord& record : records) {
      insert.reset();
      bind_record(insert, record, now());
      insert.exec();
    }
  });
}

std::int64_t TrainingStore::begin(const TrainingRecord& record, std::int64_t provenance_id) {
  SQLite::Database& db = store_.connection();
  std::int64_t id = 0;
  in_transaction(db, store_.path(), "storing a training run", [&] {
    SQLite::Statement insert(db, R"sql(
      INSERT INTO training (key, kind, name, recipe, seed, status, provenance_id, created_at,
        updated_at)
      VALUES (?1, ?2, ?3, ?4, ?5, 'running', ?7, ?6, ?6)
      ON CONFLICT (key) DO UPDATE SET name = excluded.name, status = 'running', reason = NULL,
        checkpoint_sha256 = NULL, provenance_id = excluded.provenance_id,
        updated_at = excluded.updated_at
      RETURNING id)sql");
    bind_record(insert, record, now());
    insert.bind(7, provenance_id);
    while (insert.executeStep()) id = insert.getColumn(0).getInt64();
  });
  return id;
}

void TrainingStore::add_points(std::int64_t id, std::span<const TrainingPoint> points) {
  SQLite::Database& db = store_.connection();
  in_transaction(db, store_.path(), "storing a learning curve", [&] {
    touch(db, store_.path(), id, now());
    SQLite::Statement insert(db, R"sql(
      INSERT INTO training_point (training_id, step, metric, stage, value)
      VALUES (?, ?, ?, ?, ?)
      ON CONFLICT (training_id, step, metric) DO UPDATE SET stage = excluded.stage,
        value = excluded.value)sql");
    insert.bind(1, id);
    for (const TrainingPoint& point : points) {
      insert.reset();
      insert.bind(2, point.step);
      insert.bindNoCopy(3, point.metric);
      insert.bindNoCopy(4, point.stage);
      insert.bind(5, point.value);  // SQLite has no NaN: it stores NULL
      insert.exec();
    }
  });
}

std::int64_t TrainingStore::drop_points_after(std::int64_t id, std::int64_t step) {
  SQLite::Database& db = store_.connection();
  std::int64_t dropped = 0;
  in_transaction(db, store_.path(), "dropping the end of a learning curve", [&] {
    touch(db, store_.path(), id, now());
    SQLite::Statement drop(db, "DELETE FROM training_point WHERE training_id = ? AND step > ?");
    drop.bind(1, id);
    drop.bind(2, step);
    dropped = drop.exec();
  });
  return dropped;
}

void TrainingStore::finish(std::int64_t id, TrainingStatus status, std::string_view reason,
                           const std::optional<std::string>& checkpoint_sha256) {
  LETHE_ASSERT(status != TrainingStatus::kPending && status != TrainingStatus::kRunning,
               "a training run ends done, failed or interrupted, not " + to_string(status));
  SQLite::Database& db = store_.connection();
  in_transaction(db, store_.path(), "storing the end of a training run", [&] {
    touch(db, store_.path(), id, now());
    SQLite::Statement update(
        db, "UPDATE training SET status = ?, reason = ?, checkpoint_sha256 = ? WHERE id = ?");
    update.bind(1, to_string(status));
    bind_optional(update, 2, reason.empty() ? std::nullopt : std::optional(std::string(reason)));
    bind_optional(update, 3, checkpoint_sha256);
    update.bind(4, id);
    update.exec();
  });
}

std::optional<StoredTraining> TrainingStore::find(const TrainingRecord& record) const {
  const std::string key = training_key(record);
  const auto found = store_.query(R"sql(
    SELECT id, kind, name, recipe, seed, status, reason, checkpoint_sha256,
           (SELECT max(step) FROM training_point WHERE training_id = training.id),
           (SELECT count(*) FROM training_point WHERE training_id = training.id)
    FROM training WHERE key = ?1)sql",
                                  std::array{json::value(key)});
  if (found.rows.empty()) return std::nullopt;
  const auto& row = found.rows.front();
  const auto text = [&](std::size_t column) { return std::string(row[column].as_string()); };
  StoredTraining out;
  out.id = row[0].as_int64();
  out.key = key;
  out.record = {
      .kind = text(1),
      .name = text(2),
      .recipe = parse_json(text(3), store_.path().string() + ": recipe of training run " + key,
                           ErrorKind::kStore)
                    .as_object(),
      .seed = row[4].as_int64()};
  out.status = parse_training_status(text(5));
  if (!row[6].is_null()) out.reason = text(6);
  if (!row[7].is_null()) out.checkpoint_sha256 = text(7);
  if (!row[8].is_null()) out.last_step = row[8].as_int64();
  out.points = row[9].as_int64();
  return out;
}

}  // namespace lethe::store
