// SPDX-License-Identifier: Apache-2.0
#include "harness/store/merge.h"

#include <SQLiteCpp/SQLiteCpp.h>
#include <sqlite3.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <limits>
#include <map>
#include <memory>

#include "harness/base/error.h"
#include "harness/store/connection.h"
#include "harness/store/nll_trace.h"
#include "harness/store/store_lock.h"
#include "harness/store/tables.h"
#include "harness/store/training_merge.h"

namespace lethe::store {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds kBusyTimeout{5000};
constexpr double kRounding = 1e-6;

std::optional<double> optional_double(const SQLite::Column& column) {
  if (column.isNull()) return std::nullopt;
  return column.getDouble();
}

bool same_bits(const std::optional<double>& a, const std::optional<double>& b) {
  if (!a || !b) return a.has_value() == b.has_value();
  return std::bit_cast<std::uint64_t>(*a) == std::bit_cast<std::uint64_t>(*b);
}

std::string bytes(const SQLite::Column& column) {
  return {static_cast<const char*>(column.getBlob()), static_cast<std::size_t>(column.getBytes())};
}

/// Largest difference of two stored traces; nothing when they hold the same bits. Another zlib may
/// pack the same values into other bytes.
std::optional<double> trace_difference(const SQLite::Column& a, const SQLite::Column& b) {
  if (bytes(a) == bytes(b) && a.isNull() == b.isNull()) return std::nullopt;
  const auto infinite = std::numeric_limits<double>::infinity();
  if (a.isNull() != b.isNull()) return infinite;
  const auto left = decode_nll_trace(bytes(a)), right = decode_nll_trace(bytes(b));
  if (left.size() != right.size()) return infinite;
  double largest = 0;
  bool same = true;
  for (std::size_t i = 0; i < left.size(); ++i) {
    same = same && std::bit_cast<std::uint32_t>(left[i]) == std::bit_cast<std::uint32_t>(right[i]);
    largest = std::max(largest, std::abs(double{left[i]} - double{right[i]}));
  }
  if (same) return std::nullopt;
  return largest;
}

/// How a cell stands, with the time it was noted.
struct Standing {
  CellStatus status = CellStatus::kPending;
  std::optional<std::string> reason;
  std::optional<std::int64_t> error_kind;
  std::string updated_at;

  bool operator==(const Standing&) const = default;

  int information() const {
    switch (status) {
      // Whoever ran it is not running it here, and what is done shows in the samples.
      case CellStatus::kPending:
      case CellStatus::kRunning:
      case CellStatus::kDone:
        return 0;
      case CellStatus::kSkipped:
        return 1;
      default:
        return 2;
    }
  }
};

constexpr const char* kStanding = "status, reason, error_kind, updated_at";

Standing read_standing(SQLite::Statement& row, int first) {
  Standing out;
  out.status = parse_cell_status(row.getColumn(first).getString());
  if (!row.isColumnNull(first + 1)) out.reason = row.getColumn(first + 1).getString();
  if (!row.isColumnNull(first + 2)) out.error_kind = row.getColumn(first + 2).getInt64();
  out.updated_at = row.getColumn(first + 3).getString();
  return out;
}

/// The status after a merge of a cell that both have.
Standing settle(const Standing& ours, const Standing& theirs, std::int64_t samples,
                std::int64_t wanted) {
  const auto either_done = ours.status == CellStatus::kDone || theirs.status == CellStatus::kDone;
  if (samples >= wanted && (wanted > 0 || either_done)) {
    if (ours.status == CellStatus::kDone) return ours;
    return {CellStatus::kDone, std::nullopt, std::nullopt,
            std::max(ours.updated_at, theirs.updated_at)};
  }
  const bool newer = theirs.information() == ours.information() && theirs.information() > 0 &&
                     theirs.updated_at > ours.updated_at;
  Standing out = theirs.information() > ours.information() || newer ? theirs : ours;
  if (out.information() == 0) out.status = CellStatus::kPending;
  return out;
}

CellRecord read_cell_axes(SQLite::Database& db, std::int64_t id) {
  SQLite::Statement select(db, R"sql(
    SELECT key, suite, task, model, policy, budget, schedule, positions, length, dtype, kv_dtype,
           seed, n_samples FROM cell WHERE id = ?)sql");
  select.bind(1, id);
  LETHE_ASSERT(select.executeStep(), "a merged cell is gone");
  const auto text = [&](int column) { return select.getColumn(column).getString(); };
  CellRecord cell;
  cell.key = text(0);
  cell.suite = text(1);
  cell.task = text(2);
  cell.model = text(3);
  cell.policy = text(4);
  cell.schedule = text(6);
  cell.positions = text(7);
  if (!select.isColumnNull(5)) cell.budget = select.getColumn(5).getInt64();
  cell.length = select.getColumn(8).getInt64();
  cell.dtype = text(9);
  cell.kv_dtype = text(10);
  cell.seed = select.getColumn(11).getInt64();
  cell.n_samples = select.getColumn(12).getInt64();
  return cell;
}

/// Copies one shard into one database, inside a transaction of the caller's.
class ShardMerge {
 public:
  ShardMerge(SQLite::Database& out, const fs::path& out_path, SQLite::Database& shard,
             const fs::path& shard_path)
      : out_(out), out_path_(out_path), shard_(shard) {
    report_.path = shard_path;
  }

  ShardReport run() {
    for (const auto& reference : references(out_, "sample")) {
      (reference.table == "cell" ? cell_column_ : origin_column_) = reference.column;
      if (reference.table != "cell") origin_table_ = reference.table;
    }
    copy_origins();
    copy_cells();
    copy_suites();
    copy_samples();
    settle_cells();
    merge_trainings(out_, out_path_, shard_, origins_, report_);
    return std::move(report_);
  }

 private:
  bool next(SQLite::Statement& rows) const { return next_row(rows, report_.path); }

  [[noreturn]] void refuse(const std::string& what) const {
    throw_contradiction(report_.path, out_path_, what);
  }

  void copy_origins() {
    const auto columns = without(base_table(out_, origin_table_).columns, "id");
    std::string same;
    for (const auto& column : columns) {
      same += (same.empty() ? "" : " AND ") + column.name + " IS ?";
    }
    SQLite::Statement rows(
        shard_, "SELECT " + column_list(columns) + ", id FROM " + origin_table_ + " ORDER BY id");
    SQLite::Statement find(out_, "SELECT min(id) FROM " + origin_table_ + " WHERE " + same);
    SQLite::Statement insert(out_, insert_sql(origin_table_, columns));
    const auto bind_row = [&](SQLite::Statement& to) {
      to.reset();
      for (int i = 0; i < static_cast<int>(columns.size()); ++i) {
        bind_stored(to, i + 1, rows.getColumn(i));
      }
    };
    while (next(rows)) {
      bind_row(find);
      find.executeStep();
      std::int64_t id = find.getColumn(0).getInt64();  // 0 for NULL: ids start at 1
      if (id == 0) {
        bind_row(insert);
        insert.exec();
        id = out_.getLastInsertRowid();
        ++report_.origins_new;
      }
      origins_[rows.getColumn(static_cast<int>(columns.size())).getInt64()] = id;
    }
  }

  void copy_cells() {
    const auto columns = without(base_table(out_, "cell").columns, "id");
    const int key = place_of(columns, "key"), inputs = place_of(columns, "inputs"),
              wanted = place_of(columns, "n_samples");
    const auto count = static_cast<int>(columns.size());
    SQLite::Statement rows(
        shard_, "SELECT " + column_list(columns) + ", id, " + kStanding + " FROM cell ORDER BY id");
    SQLite::Statement find(out_, "SELECT id, inputs FROM cell WHERE key = ?");
    SQLite::Statement insert(out_, insert_sql("cell", columns));
    // A shard may have been asked for a part of the samples.
    SQLite::Statement widen(out_,
                            "UPDATE cell SET n_samples = ?2 WHERE id = ?1 AND n_samples < ?2");
    while (next(rows)) {
      ++report_.cells;
      find.reset();
      find.bind(1, rows.getColumn(key).getString());
      std::int64_t id = 0;
      if (find.executeStep()) {
        id = find.getColumn(0).getInt64();
        if (find.getColumn(1).getString() != rows.getColumn(inputs).getString()) {
          refuse("cell " + rows.getColumn(key).getString() +
                 " has other inputs than the cell with the same key");
        }
        widen.reset();
        widen.bind(1, id);
        widen.bind(2, rows.getColumn(wanted).getInt64());
        widen.exec();
      } else {
        insert.reset();
        for (int i = 0; i < count; ++i) bind_stored(insert, i + 1, rows.getColumn(i));
        insert.exec();
        id = out_.getLastInsertRowid();
        ++report_.cells_new;
      }
      cells_[rows.getColumn(count).getInt64()] = id;
      standings_[id] = read_standing(rows, count + 1);
    }
  }

  void copy_suites() {
    SQLite::Statement rows(shard_, "SELECT suite, cell_id FROM suite_cell");
    SQLite::Statement insert(
        out_, "INSERT INTO suite_cell (suite, cell_id) VALUES (?, ?) ON CONFLICT DO NOTHING");
    while (next(rows)) {
      insert.reset();
      insert.bind(1, rows.getColumn(0).getString());
      insert.bind(2, cells_.at(rows.getColumn(1).getInt64()));
      report_.suite_members_new += insert.exec();
    }
  }

  void copy_samples() {
    const auto columns = without(base_table(out_, "sample").columns, "id");
    const int cell = place_of(columns, cell_column_), origin = place_of(columns, origin_column_);
    const int key = place_of(columns, "sample_key"), id = place_of(columns, "sample_id");
    SQLite::Statement rows(shard_, "SELECT " + column_list(columns) + ", nll_sum, score, output, " +
                                       "nll_trace, tokens_scored FROM sample ORDER BY id");
    SQLite::Statement known(
        out_, "SELECT nll_sum, score, output, nll_trace FROM sample WHERE sample_key = ?");
    SQLite::Statement insert(out_, insert_sql("sample", columns));
    while (next(rows)) {
      ++report_.samples;
      const auto shard_cell = cells_.find(rows.getColumn(cell).getInt64());
      const auto shard_origin = origins_.find(rows.getColumn(origin).getInt64());
      if (shard_cell == cells_.end() || shard_origin == origins_.end()) {
        throw Error(ErrorKind::kStore, report_.path.string() + " is damaged: sample " +
                                           rows.getColumn(key).getString() +
                                           " belongs to no cell or run of it");
      }
      known.reset();
      known.bind(1, rows.getColumn(key).getString());
      if (known.executeStep()) {
        compare(rows, static_cast<int>(columns.size()), known, shard_cell->second,
                rows.getColumn(key).getString(), rows.getColumn(id).getString());
        continue;
      }
      insert.reset();
      for (int i = 0; i < static_cast<int>(columns.size()); ++i) {
        bind_stored(insert, i + 1, rows.getColumn(i));
      }
      insert.bind(cell + 1, shard_cell->second);
      insert.bind(origin + 1, shard_origin->second);
      try {
        insert.exec();
      } catch (const SQLite::Exception& error) {
        if (error.getErrorCode() != SQLITE_CONSTRAINT) throw;
        refuse("sample " + rows.getColumn(id).getString() + " (" + rows.getColumn(key).getString() +
               ") has another key than the sample with the same id of its cell");
      }
      ++report_.samples_new;
    }
  }

  void compare(SQLite::Statement& theirs, int first, SQLite::Statement& ours, std::int64_t cell,
               const std::string& key, const std::string& id) {
    MergeConflict conflict;
    conflict.nll_sum_kept = optional_double(ours.getColumn(0));
    conflict.nll_sum_refused = optional_double(theirs.getColumn(first));
    conflict.score_kept = optional_double(ours.getColumn(1));
    conflict.score_refused = optional_double(theirs.getColumn(first + 1));
    conflict.output_differs =
        ours.getColumn(2).getString() != theirs.getColumn(first + 2).getString();
    try {
      const auto difference = trace_difference(ours.getColumn(3), theirs.getColumn(first + 3));
      conflict.trace_differs = difference.has_value();
      conflict.largest_trace_difference = difference.value_or(0);
    } catch (Error& error) {
      throw error.add_context(report_.path.string() + " and " + out_path_.string() + ": sample " +
                              key);
    }
    if (same_bits(conflict.nll_sum_kept, conflict.nll_sum_refused) &&
        same_bits(conflict.score_kept, conflict.score_refused) && !conflict.output_differs &&
        !conflict.trace_differs) {
      return;
    }
    conflict.cell = read_cell_axes(out_, cell);
    conflict.sample_key = key;
    conflict.sample_id = id;
    conflict.tokens_scored = theirs.getColumn(first + 4).getInt64();
    report_.conflicts.push_back(std::move(conflict));
  }

  void settle_cells() {
    SQLite::Statement find(out_, std::string("SELECT ") + kStanding +
                                     ", n_samples, (SELECT count(*) FROM sample WHERE " +
                                     cell_column_ + " = cell.id) FROM cell WHERE id = ?");
    SQLite::Statement update(
        out_,
        "UPDATE cell SET status = ?, reason = ?, error_kind = ?, updated_at = ? WHERE id = ?");
    for (const auto& [id, theirs] : standings_) {
      find.reset();
      find.bind(1, id);
      LETHE_ASSERT(find.executeStep(), "a merged cell is gone");
      const Standing ours = read_standing(find, 0);
      const Standing settled =
          settle(ours, theirs, find.getColumn(5).getInt64(), find.getColumn(4).getInt64());
      if (settled == ours) continue;
      update.reset();
      update.bind(1, to_string(settled.status));
      settled.reason ? update.bind(2, *settled.reason) : update.bind(2);
      settled.error_kind ? update.bind(3, *settled.error_kind) : update.bind(3);
      update.bind(4, settled.updated_at);
      update.bind(5, id);
      update.exec();
    }
  }

  SQLite::Database& out_;
  const fs::path& out_path_;
  SQLite::Database& shard_;
  ShardReport report_;
  std::string cell_column_, origin_column_, origin_table_;
  std::map<std::int64_t, std::int64_t> origins_;  ///< id in the shard -> id in the database
  std::map<std::int64_t, std::int64_t> cells_;    ///< likewise
  std::map<std::int64_t, Standing> standings_;    ///< the shard's, by id in the database
};

std::unique_ptr<SQLite::Database> open_shard(const fs::path& path, const fs::path& out,
                                             const Clock& clock) {
  std::error_code ec;
  if (fs::equivalent(path, out, ec)) {
    throw Error(ErrorKind::kStore,
                path.string() + " is the database to merge into; name only the others after it");
  }
  return open_to_read(path, kBusyTimeout, clock);
}

}  // namespace

bool MergeConflict::within_rounding() const {
  const auto near = [](const std::optional<double>& a, const std::optional<double>& b,
                       double scale) {
    if (!a || !b) return a.has_value() == b.has_value();
    return std::abs(*a - *b) <= kRounding * scale;
  };
  const double tokens = static_cast<double>(std::max<std::int64_t>(1, tokens_scored));
  return !output_differs && near(nll_sum_kept, nll_sum_refused, tokens) &&
         near(score_kept, score_refused, 1);
}

std::vector<ShardReport> merge_databases(const fs::path& out, std::span<const fs::path> shards,
                                         const Clock& clock) {
  for (const auto& shard : shards) open_shard(shard, out, clock);
  const auto db = open_to_write(out, kBusyTimeout, clock);
  std::vector<ShardReport> reports;
  for (const auto& path : shards) {
    const auto shard = open_shard(path, out, clock);
    const auto writer = StoreLock::holder(path);
    try {
      // Deferred: one moment of the shard, however long its run goes on.
      SQLite::Transaction snapshot(*shard);
      SQLite::Transaction transaction(*db, SQLite::TransactionBehavior::IMMEDIATE);
      reports.push_back(ShardMerge(*db, out, *shard, path).run());
      transaction.commit();
    } catch (const SQLite::Exception& error) {
      throw_store_error(error, out, "merging " + path.string());
    }
    reports.back().writer = writer;
  }
  return reports;
}

}  // namespace lethe::store
