// SPDX-License-Identifier: Apache-2.0
#include "harness/store/training_merge.h"

#include <SQLiteCpp/SQLiteCpp.h>

#include <optional>
#include <tuple>

#include "harness/base/error.h"
#include "harness/store/records.h"
#include "harness/store/tables.h"

namespace lethe::store {
namespace {

/// How far a run has come.
struct Progress {
  TrainingStatus status = TrainingStatus::kPending;
  std::int64_t last_step = -1;  ///< -1 without points

  bool further_than(const Progress& other) const {
    const auto rank = [](const Progress& progress) {
      return std::tuple(progress.status == TrainingStatus::kDone, progress.last_step,
                        progress.status != TrainingStatus::kPending);
    };
    return rank(*this) > rank(other);
  }
};

// What tells how two runs of one key compare; the first column is the row's id.
constexpr const char* kSelect = R"sql(
  SELECT id, kind, name, recipe, seed, status, checkpoint_sha256, provenance_id, key,
         (SELECT coalesce(max(step), -1) FROM training_point WHERE training_id = training.id)
  FROM training)sql";

/// One row of kSelect.
struct Run {
  explicit Run(SQLite::Statement& row)
      : id(row.getColumn(0).getInt64()),
        kind(row.getColumn(1).getString()),
        name(row.getColumn(2).getString()),
        recipe(row.getColumn(3).getString()),
        key(row.getColumn(8).getString()),
        seed(row.getColumn(4).getInt64()),
        progress{parse_training_status(row.getColumn(5).getString()), row.getColumn(9).getInt64()} {
    if (!row.isColumnNull(6)) checkpoint = row.getColumn(6).getString();
    if (!row.isColumnNull(7)) provenance = row.getColumn(7).getInt64();
  }

  std::int64_t id;
  std::string kind, name, recipe, key;
  std::int64_t seed;
  Progress progress;
  std::optional<std::string> checkpoint;
  std::optional<std::int64_t> provenance;
};

class TrainingMerge {
 public:
  TrainingMerge(SQLite::Database& out, const std::filesystem::path& out_path,
                SQLite::Database& shard, const std::map<std::int64_t, std::int64_t>& origins,
                ShardReport& report)
      : out_(out),
        out_path_(out_path),
        shard_(shard),
        origins_(origins),
        report_(report),
        columns_(without(base_table(out, "training").columns, "id")) {}

  void run() {
    SQLite::Statement rows(shard_, std::string(kSelect) + " ORDER BY id");
    SQLite::Statement find(out_, std::string(kSelect) + " WHERE key = ?");
    while (next_row(rows, report_.path)) {
      const Run theirs(rows);
      ++report_.trainings;
      find.reset();
      find.bind(1, theirs.key);
      if (!find.executeStep()) {
        copy(theirs, std::nullopt);
        continue;
      }
      const Run ours(find);
      if (std::tie(ours.kind, ours.recipe, ours.seed) !=
          std::tie(theirs.kind, theirs.recipe, theirs.seed)) {
        throw_contradiction(
            report_.path, out_path_,
            "training run " + theirs.key + " has another recipe than the run with the same key");
      }
      if (theirs.progress.further_than(ours.progress)) {
        find.reset();  // an unfinished read would hold the row
        copy(theirs, ours.id);
      } else if (ours.checkpoint && theirs.checkpoint && *ours.checkpoint != *theirs.checkpoint) {
        report_.training_conflicts.push_back(
            {ours.key, ours.kind, ours.name, ours.seed, *ours.checkpoint, *theirs.checkpoint});
      }
    }
  }

 private:
  /// Copies a run of the shard whole: as a new row, or in the place of the row `id`.
  void copy(const Run& run, std::optional<std::int64_t> id) {
    ++report_.trainings_new;
    SQLite::Statement row(shard_,
                          "SELECT " + column_list(columns_) + " FROM training WHERE id = ?");
    row.bind(1, run.id);
    LETHE_ASSERT(next_row(row, report_.path), "a training run of the shard is gone");
    if (id) {
      for (const char* sql : {"DELETE FROM training_point WHERE training_id = ?",
                              "DELETE FROM training WHERE id = ?"}) {
        SQLite::Statement remove(out_, sql);
        remove.bind(1, *id);
        remove.exec();
      }
    }
    auto columns = columns_;
    columns.push_back({"id", "INTEGER"});
    SQLite::Statement insert(out_, insert_sql("training", columns));
    const auto place = [&](const char* name) { return place_of(columns_, name) + 1; };
    for (int i = 0; i < static_cast<int>(columns_.size()); ++i) {
      bind_stored(insert, i + 1, row.getColumn(i));
    }
    if (run.provenance) insert.bind(place("provenance_id"), origin_of(run));
    if (run.progress.status == TrainingStatus::kRunning) {
      // Whoever runs it is not running it here.
      insert.bind(place("status"), to_string(TrainingStatus::kInterrupted));
      insert.bind(place("reason"), "was running when it was merged");
    }
    const int last = static_cast<int>(columns.size());
    id ? insert.bind(last, *id) : insert.bind(last);  // NULL: the next free number
    insert.exec();
    copy_points(run.id, out_.getLastInsertRowid());
  }

  std::int64_t origin_of(const Run& run) const {
    const auto found = origins_.find(*run.provenance);
    if (found == origins_.end()) {
      throw Error(ErrorKind::kStore, report_.path.string() + " is damaged: training run " +
                                         run.key + " belongs to no run of a program in it");
    }
    return found->second;
  }

  void copy_points(std::int64_t from, std::int64_t to) {
    const auto columns = without(base_table(out_, "training_point").columns, "training_id");
    SQLite::Statement rows(shard_, "SELECT " + column_list(columns) +
                                       " FROM training_point WHERE training_id = ?"
                                       " ORDER BY step, metric");
    rows.bind(1, from);
    auto all = columns;
    all.push_back({"training_id", "INTEGER"});
    SQLite::Statement insert(out_, insert_sql("training_point", all));
    while (next_row(rows, report_.path)) {
      insert.reset();
      for (int i = 0; i < static_cast<int>(columns.size()); ++i) {
        bind_stored(insert, i + 1, rows.getColumn(i));
      }
      insert.bind(static_cast<int>(all.size()), to);
      insert.exec();
    }
  }

  SQLite::Database& out_;
  const std::filesystem::path& out_path_;
  SQLite::Database& shard_;
  const std::map<std::int64_t, std::int64_t>& origins_;
  ShardReport& report_;
  std::vector<TableColumn> columns_;
};

}  // namespace

void merge_trainings(SQLite::Database& out, const std::filesystem::path& out_path,
                     SQLite::Database& shard, const std::map<std::int64_t, std::int64_t>& origins,
                     ShardReport& report) {
  TrainingMerge(out, out_path, shard, origins, report).run();
}

void throw_contradiction(const std::filesystem::path& shard, const std::filesystem::path& out,
                         const std::string& what) {
  throw Error(ErrorKind::kStore, shard.string() + ": " + what + " in " + out.string() +
                                     "; one of the two is damaged: `lethe verify` tells which");
}

}  // namespace lethe::store
