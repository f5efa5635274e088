// SPDX-License-Identifier: Apache-2.0
#include "harness/store/sample_writer.h"

#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Statement.h>

#include "harness/store/bind.h"
#include "harness/store/nll_trace.h"

namespace lethe::store {
namespace {

// The row, `trace` and `now` outlive the statement's next step.
void bind_sample(SQLite::Statement& insert, std::int64_t cell, const SampleRow& row,
                 const std::string& trace, const std::string& now) {
  const SampleRecord& record = row.record;
  int index = 0;
  insert.bind(++index, cell);
  insert.bind(++index, row.provenance_id);
  insert.bindNoCopy(++index, record.sample_key);
  insert.bindNoCopy(++index, record.sample_id);
  insert.bindNoCopy(++index, record.sample_hash);
  insert.bindNoCopy(++index, record.cluster);
  insert.bind(++index, record.tokens_in);
  insert.bind(++index, record.tokens_cut);
  insert.bind(++index, record.tokens_shared);
  insert.bind(++index, record.bos_count);
  insert.bind(++index, record.tokens_scored);
  bind_optional(insert, ++index, record.nll_sum);
  bind_optional(insert, ++index, record.score);
  insert.bindNoCopy(++index, record.output);
  if (record.nll_trace.empty()) {
    insert.bind(++index);
  } else {
    insert.bindNoCopy(++index, trace.data(), static_cast<int>(trace.size()));
  }
  insert.bind(++index, record.tokens_seen);
  insert.bind(++index, record.tokens_evicted);
  insert.bind(++index, record.kept_min);
  insert.bind(++index, record.kept_max);
  static const std::string kNoLayers = "[]";  // the column is always JSON
  insert.bindNoCopy(++index, record.layers.empty() ? kNoLayers : record.layers);
  insert.bind(++index, record.kv_bytes);
  insert.bind(++index, record.peak_bytes);
  bind_optional(insert, ++index, record.ttft_ms);
  bind_optional(insert, ++index, record.prefill_tokens_per_s);
  bind_optional(insert, ++index, record.decode_tokens_per_s);
  insert.bind(++index, record.seconds);
  insert.bindNoCopy(++index, now);
}

}  // namespace

SampleWriter::SampleWriter(SQLite::Database& db)
    : insert_(std::make_unique<SQLite::Statement>(db, R"sql(
      INSERT INTO sample (cell_id, provenance_id, sample_key, sample_id, sample_hash, cluster,
        tokens_in, tokens_cut, tokens_shared, bos_count, tokens_scored, nll_sum, score, output, nll_trace,
        tokens_seen, tokens_evicted, kept_min, kept_max, layers, kv_bytes, peak_bytes, ttft_ms,
        prefill_tokens_per_s, decode_tokens_per_s, seconds, created_at)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT (sample_key) DO NOTHING)sql")),
      find_cell_(std::make_unique<SQLite::Statement>(db, "SELECT id FROM cell WHERE key = ?")) {}

SampleWriter::~SampleWriter() = default;

std::size_t SampleWriter::add(std::span<const SampleRow> rows, const std::string& now) {
  std::size_t added = 0;
  for (const auto& row : rows) {
    const std::string trace =
        row.record.nll_trace.empty() ? std::string() : encode_nll_trace(row.record.nll_trace);
    insert_->tryReset();  // its code tells of the step before, which has thrown
    bind_sample(*insert_, cell_id(row.cell_key), row, trace, now);
    added += static_cast<std::size_t>(insert_->exec());
  }
  insert_->tryReset();
  insert_->clearBindings();
  return added;
}

std::int64_t SampleWriter::cell_id(const std::string& key) {
  if (const auto known = cell_ids_.find(key); known != cell_ids_.end()) return known->second;
  find_cell_->tryReset();
  find_cell_->bind(1, key);
  if (!find_cell_->executeStep()) {
    throw Error(ErrorKind::kInternal,
                "a sample belongs to no stored cell: there is none with key " + key);
  }
  const std::int64_t id = find_cell_->getColumn(0).getInt64();
  find_cell_->tryReset();  // an unfinished read would hold its snapshot
  return cell_ids_[key] = id;
}

}  // namespace lethe::store
