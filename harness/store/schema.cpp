// SPDX-License-Identifier: Apache-2.0
#include "harness/store/schema.h"

#include <array>
#include <cstddef>

namespace lethe::store {

const char* const kTablesSql = R"sql(
CREATE TABLE meta (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE origin (
  id            INTEGER PRIMARY KEY,
  created_at    TEXT NOT NULL,
  version       TEXT NOT NULL,
  git_commit    TEXT NOT NULL CHECK (git_commit <> ''),
  git_dirty     INTEGER NOT NULL CHECK (git_dirty IN (0, 1)),
  compiler      TEXT NOT NULL,
  flags         TEXT NOT NULL,
  build_type    TEXT NOT NULL,
  torch_version TEXT NOT NULL,
  cpu           TEXT NOT NULL,
  device        TEXT NOT NULL,
  threads       INTEGER NOT NULL,
  host          TEXT NOT NULL,
  kernel        TEXT NOT NULL,
  command       TEXT NOT NULL,
  suite_sha256  TEXT NOT NULL
) STRICT;

CREATE TABLE cell (
  id         INTEGER PRIMARY KEY,
  key        TEXT NOT NULL UNIQUE CHECK (length(key) = 64),
  suite      TEXT NOT NULL,
  task       TEXT NOT NULL,
  model      TEXT NOT NULL,
  policy     TEXT NOT NULL,
  budget     INTEGER CHECK (budget >= 1),
  schedule   TEXT NOT NULL,
  positions  TEXT NOT NULL,
  length     INTEGER NOT NULL,
  dtype      TEXT NOT NULL,
  kv_dtype   TEXT NOT NULL,
  seed       INTEGER NOT NULL,
  inputs     TEXT NOT NULL CHECK (json_valid(inputs) AND json_extract(inputs, '$.model') IS NOT NULL),
  n_samples  INTEGER NOT NULL CHECK (n_samples >= 0),
  status     TEXT NOT NULL DEFAULT 'pending' CHECK (status IN
             ('pending', 'running', 'done', 'failed', 'oom', 'timeout', 'crashed', 'skipped')),
  reason     TEXT,
  error_kind INTEGER,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
) STRICT;

CREATE TABLE suite_cell (
  suite   TEXT NOT NULL,
  cell_id INTEGER NOT NULL REFERENCES cell (id),
  PRIMARY KEY (suite, cell_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX suite_cell_by_cell ON suite_cell (cell_id);

CREATE TABLE sample (
  id                   INTEGER PRIMARY KEY,
  cell_id              INTEGER NOT NULL REFERENCES cell (id),
  provenance_id        INTEGER NOT NULL REFERENCES origin (id),
  sample_key           TEXT NOT NULL UNIQUE CHECK (length(sample_key) = 64),
  sample_id            TEXT NOT NULL,
  sample_hash          TEXT NOT NULL,
  cluster              TEXT NOT NULL,
  tokens_in            INTEGER NOT NULL,
  tokens_cut           INTEGER NOT NULL,
  tokens_shared        INTEGER NOT NULL,
  bos_count            INTEGER NOT NULL,
  tokens_scored        INTEGER NOT NULL,
  nll_sum              REAL,
  score                REAL,
  output               TEXT NOT NULL,
  nll_trace            BLOB,
  tokens_seen          INTEGER NOT NULL,
  tokens_evicted       INTEGER NOT NULL,
  kept_min             INTEGER NOT NULL,
  kept_max             INTEGER NOT NULL,
  layers               TEXT CHECK (json_valid(layers)),
  kv_bytes             INTEGER NOT NULL,
  peak_bytes           INTEGER NOT NULL,
  ttft_ms              REAL,
  prefill_tokens_per_s REAL,
  decode_tokens_per_s  REAL,
  seconds              REAL NOT NULL,
  created_at           TEXT NOT NULL,
  UNIQUE (cell_id, sample_id)
) STRICT;
CREATE INDEX sample_by_provenance ON sample (provenance_id);
CREATE INDEX sample_by_cluster ON sample (cell_id, cluster, sample_id);
CREATE INDEX cell_by_status ON cell (status);

CREATE TABLE training (
  id                INTEGER PRIMARY KEY,
  key               TEXT NOT NULL UNIQUE CHECK (length(key) = 64),
  kind              TEXT NOT NULL CHECK (kind <> ''),
  name              TEXT NOT NULL CHECK (name <> ''),
  recipe            TEXT NOT NULL CHECK (json_valid(recipe)),
  seed              INTEGER NOT NULL,
  status            TEXT NOT NULL DEFAULT 'pending' CHECK (status IN
                    ('pending', 'running', 'done', 'failed', 'interrupted')),
  reason            TEXT,
  checkpoint_sha256 TEXT CHECK (length(checkpoint_sha256) = 64),
  provenance_id     INTEGER REFERENCES origin (id),
  created_at        TEXT NOT NULL,
  updated_at        TEXT NOT NULL
) STRICT;

CREATE TABLE training_point (
  training_id INTEGER NOT NULL REFERENCES training (id),
  step        INTEGER NOT NULL CHECK (step >= 0),
  metric      TEXT NOT NULL CHECK (metric <> ''),
  stage       TEXT NOT NULL,
  value       REAL,
  PRIMARY KEY (training_id, step, metric)
) STRICT, WITHOUT ROWID;
)sql";

// Statistics of the view `metric`, spelled out in docs/store-schema.md. With clusters c = 1..G,
// S_c = sum of nll_sum and T_c = sum of tokens_scored in c, m = sum S_c / sum T_c:
//   mean_nll = m           stderr = sqrt(G/(G-1) * sum (S_c - m T_c)^2) / sum T_c   (ratio
//   estimator) ppl      = exp(m)      stderr = exp(m) * stderr(mean_nll) (delta method) ppl_book =
//   mean of exp(S_c/T_c) over clusters, stderr = sample deviation / sqrt(G) score    = mean of
//   score over samples, stderr = sqrt(G/(G-1) * sum_c (sum_i (x_i - mean))^2) / n
// Deviations are summed in a second pass: sums of squares would cancel.
const char* const kViewsSql = R"sql(
CREATE VIEW cells AS
SELECT cell.key AS cell_key, cell.suite, cell.task, cell.model, cell.policy, cell.budget,
       cell.schedule, cell.positions, cell.length, cell.dtype, cell.kv_dtype, cell.seed, cell.status,
       cell.reason, cell.n_samples,
       (SELECT count(*) FROM sample WHERE sample.cell_id = cell.id) AS samples_done,
       cell.inputs, cell.created_at, cell.updated_at
FROM cell;

CREATE VIEW samples AS
SELECT sample.sample_key, cell.key AS cell_key, cell.suite, cell.task, cell.model, cell.policy,
       cell.budget, cell.schedule, cell.positions, cell.length, cell.dtype, cell.seed,
       sample.sample_id, sample.cluster, sample.tokens_in, sample.tokens_cut, sample.tokens_shared,
       sample.bos_count, sample.tokens_scored, sample.nll_sum,
       sample.nll_sum / nullif(sample.tokens_scored, 0) AS mean_nll, sample.score, sample.output,
       sample.tokens_seen, sample.tokens_evicted, sample.kept_min, sample.kept_max, sample.layers,
       sample.kv_bytes, sample.peak_bytes, sample.ttft_ms, sample.prefill_tokens_per_s,
       sample.decode_tokens_per_s, sample.seconds, sample.sample_hash, sample.provenance_id,
       sample.created_at
FROM sample JOIN cell ON cell.id = sample.cell_id;

CREATE VIEW failures AS
SELECT cell_key, suite, task, model, policy, budget, schedule, positions, length, dtype, seed, status,
       reason, n_samples, samples_done, updated_at
FROM cells WHERE status IN ('failed', 'oom', 'timeout', 'crashed', 'skipped');

CREATE VIEW provenance AS
SELECT origin.id, origin.created_at, origin.version, origin.git_commit, origin.git_dirty,
       origin.compiler, origin.flags, origin.build_type, origin.torch_version, origin.cpu,
       origin.device, origin.threads, origin.host, origin.kernel, origin.command,
       origin.suite_sha256, coalesce(rows_of.samples, 0) AS samples, rows_of.first_sample,
       rows_of.last_sample,
       (SELECT count(*) FROM training WHERE training.provenance_id = origin.id) AS trainings
FROM origin LEFT JOIN (
  SELECT provenance_id, count(*) AS samples, min(created_at) AS first_sample,
         max(created_at) AS last_sample
  FROM sample GROUP BY provenance_id) rows_of ON rows_of.provenance_id = origin.id;

CREATE VIEW metric AS
WITH
nll_cluster AS (
  SELECT cell_id, cluster, sum(nll_sum) AS s, sum(tokens_scored) AS t, count(*) AS n
  FROM sample WHERE nll_sum IS NOT NULL AND tokens_scored > 0 GROUP BY cell_id, cluster),
nll_total AS (
  SELECT cell_id, sum(s) / sum(t) AS m, sum(t) AS t, sum(n) AS n, count(*) AS g,
         avg(exp(s / t)) AS book
  FROM nll_cluster GROUP BY cell_id),
nll_spread AS (
  SELECT c.cell_id,
         CASE WHEN a.g > 1 THEN
           sqrt(1.0 * a.g / (a.g - 1) * sum((c.s - a.m * c.t) * (c.s - a.m * c.t))) / a.t END AS se,
         CASE WHEN a.g > 1 THEN
           sqrt(sum((exp(c.s / c.t) - a.book) * (exp(c.s / c.t) - a.book)) / (a.g - 1) / a.g) END
           AS book_se
  FROM nll_cluster c JOIN nll_total a USING (cell_id) GROUP BY c.cell_id),
score_total AS (
  SELECT cell_id, avg(score) AS m, count(*) AS n, count(DISTINCT cluster) AS g
  FROM sample WHERE score IS NOT NULL GROUP BY cell_id),
score_cluster AS (
  SELECT s.cell_id, s.cluster, sum(s.score - a.m) AS d
  FROM sample s JOIN score_total a USING (cell_id)
  WHERE s.score IS NOT NULL GROUP BY s.cell_id, s.cluster),
score_spread AS (
  SELECT a.cell_id,
         CASE WHEN a.g > 1 THEN sqrt(1.0 * a.g / (a.g - 1) * sum(c.d * c.d)) / a.n END AS se
  FROM score_cluster c JOIN score_total a USING (cell_id) GROUP BY a.cell_id)
SELECT cell_id, 'mean_nll' AS metric, a.m AS value, p.se AS stderr, a.n AS n, a.g AS clusters,
       a.t AS tokens
FROM nll_total a JOIN nll_spread p USING (cell_id)
UNION ALL
SELECT cell_id, 'ppl', exp(a.m), exp(a.m) * p.se, a.n, a.g, a.t
FROM nll_total a JOIN nll_spread p USING (cell_id)
UNION ALL
SELECT cell_id, 'ppl_book', a.book, p.book_se, a.n, a.g, a.t
FROM nll_total a JOIN nll_spread p USING (cell_id)
UNION ALL
SELECT cell_id, 'score', a.m, p.se, a.n, a.g, NULL
FROM score_total a JOIN score_spread p USING (cell_id);

CREATE VIEW results AS
SELECT cell.task, cell.model, cell.policy, cell.budget, cell.schedule, cell.positions, cell.length,
       cell.dtype, cell.seed, metric.metric, metric.value, metric.stderr, metric.n, cell.status,
       cost.tokens_per_s, cost.kv_bytes, cost.peak_bytes, metric.clusters, metric.tokens,
       cell.kv_dtype, cell.key AS cell_key, cell.suite
FROM metric
JOIN cell ON cell.id = metric.cell_id
JOIN (SELECT cell_id, sum(tokens_in - tokens_shared) / nullif(sum(seconds), 0.0) AS tokens_per_s,
             max(kv_bytes) AS kv_bytes, max(peak_bytes) AS peak_bytes
      FROM sample GROUP BY cell_id) cost ON cost.cell_id = cell.id;

CREATE VIEW suite_results AS
SELECT suite_cell.suite, results.task, results.model, results.policy, results.budget,
       results.schedule, results.positions, results.length, results.dtype, results.seed,
       results.metric, results.value, results.stderr, results.n, results.status,
       results.tokens_per_s, results.kv_bytes, results.peak_bytes, results.clusters, results.tokens,
       results.kv_dtype, results.cell_key
FROM results
JOIN cell ON cell.key = results.cell_key
JOIN suite_cell ON suite_cell.cell_id = cell.id;

CREATE VIEW speeds AS
WITH
value AS (
  SELECT cell_id, 'ttft_ms' AS measure, ttft_ms AS x FROM sample
  UNION ALL
  SELECT cell_id, 'prefill_tokens_per_s', prefill_tokens_per_s FROM sample
  UNION ALL
  SELECT cell_id, 'decode_tokens_per_s', decode_tokens_per_s FROM sample
  UNION ALL
  SELECT cell_id, 'ms_per_token', 1e3 / nullif(decode_tokens_per_s, 0.0) FROM sample),
total AS (
  SELECT cell_id, measure, count(x) AS n, avg(x) AS mean, min(x) AS least, max(x) AS most
  FROM value WHERE x IS NOT NULL GROUP BY cell_id, measure),
spread AS (
  SELECT cell_id, measure, CASE WHEN n > 1 THEN sqrt(sum((x - mean) * (x - mean)) / (n - 1)) END
         AS stddev
  FROM value JOIN total USING (cell_id, measure) WHERE x IS NOT NULL GROUP BY cell_id, measure)
SELECT cell.task, cell.model, cell.policy, cell.budget, cell.schedule, cell.positions, cell.length,
       cell.dtype, cell.kv_dtype, cell.seed, measure, mean, stddev, least, most, n,
       cell.key AS cell_key, cell.suite
FROM total JOIN spread USING (cell_id, measure) JOIN cell ON cell.id = cell_id;

CREATE VIEW trainings AS
SELECT training.key, training.kind, training.name, training.seed, training.status, training.reason,
       (SELECT max(step) FROM training_point WHERE training_id = training.id) AS last_step,
       (SELECT count(*) FROM training_point WHERE training_id = training.id) AS points,
       training.checkpoint_sha256, training.recipe, training.provenance_id, training.created_at,
       training.updated_at
FROM training;

CREATE VIEW curves AS
SELECT training.key, training.kind, training.name, training.seed, point.stage, point.step,
       point.metric, point.value, training.status
FROM training_point point JOIN training ON training.id = point.training_id;
)sql";

namespace {

// Frozen: what version 2 changed. SQLite cannot add a CHECK to a table, so the two small tables are
// made anew; `sample` keeps its pages, only its reference follows the new name.
constexpr const char* kVersion2 = R"sql(
ALTER TABLE provenance RENAME TO origin;
CREATE TABLE origin_2 (
  id            INTEGER PRIMARY KEY,
  created_at    TEXT NOT NULL,
  version       TEXT NOT NULL,
  git_commit    TEXT NOT NULL CHECK (git_commit <> ''),
  git_dirty     INTEGER NOT NULL CHECK (git_dirty IN (0, 1)),
  compiler      TEXT NOT NULL,
  flags         TEXT NOT NULL,
  build_type    TEXT NOT NULL,
  torch_version TEXT NOT NULL,
  cpu           TEXT NOT NULL,
  device        TEXT NOT NULL,
  threads       INTEGER NOT NULL,
  host          TEXT NOT NULL,
  kernel        TEXT NOT NULL,
  command       TEXT NOT NULL,
  suite_sha256  TEXT NOT NULL
) STRICT;
INSERT INTO origin_2
SELECT id, created_at, version, CASE git_commit WHEN '' THEN 'unknown' ELSE git_commit END,
       git_dirty, compiler, '', build_type, torch_version, cpu, device, threads, host, '', command,
       suite_sha256
FROM origin;
DROP TABLE origin;
ALTER TABLE origin_2 RENAME TO origin;

CREATE TABLE cell_2 (
  id         INTEGER PRIMARY KEY,
  key        TEXT NOT NULL UNIQUE CHECK (length(key) = 64),
  suite      TEXT NOT NULL,
  task       TEXT NOT NULL,
  model      TEXT NOT NULL,
  policy     TEXT NOT NULL,
  budget     INTEGER CHECK (budget >= 1),
  schedule   TEXT NOT NULL,
  positions  TEXT NOT NULL,
  length     INTEGER NOT NULL,
  dtype      TEXT NOT NULL,
  kv_dtype   TEXT NOT NULL,
  seed       INTEGER NOT NULL,
  inputs     TEXT NOT NULL CHECK (json_valid(inputs) AND json_extract(inputs, '$.model') IS NOT NULL),
  n_samples  INTEGER NOT NULL CHECK (n_samples >= 0),
  status     TEXT NOT NULL DEFAULT 'pending' CHECK (status IN
             ('pending', 'running', 'done', 'failed', 'oom', 'timeout', 'crashed', 'skipped')),
  reason     TEXT,
  error_kind INTEGER,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
) STRICT;
INSERT INTO cell_2 SELECT * FROM cell;
DROP TABLE cell;
ALTER TABLE cell_2 RENAME TO cell;
CREATE INDEX cell_by_status ON cell (status);
)sql";

// Version 3 has another view (`speeds`) and the tables of version 2.
constexpr const char* kVersion3 = "";

// Frozen: the tables that version 4 added.
constexpr const char* kVersion4 = R"sql(
CREATE TABLE training (
  id                INTEGER PRIMARY KEY,
  key               TEXT NOT NULL UNIQUE CHECK (length(key) = 64),
  kind              TEXT NOT NULL CHECK (kind <> ''),
  name              TEXT NOT NULL CHECK (name <> ''),
  recipe            TEXT NOT NULL CHECK (json_valid(recipe)),
  seed              INTEGER NOT NULL,
  status            TEXT NOT NULL DEFAULT 'pending' CHECK (status IN
                    ('pending', 'running', 'done', 'failed', 'interrupted')),
  reason            TEXT,
  checkpoint_sha256 TEXT CHECK (length(checkpoint_sha256) = 64),
  provenance_id     INTEGER REFERENCES origin (id),
  created_at        TEXT NOT NULL,
  updated_at        TEXT NOT NULL
) STRICT;

CREATE TABLE training_point (
  training_id INTEGER NOT NULL REFERENCES training (id),
  step        INTEGER NOT NULL CHECK (step >= 0),
  metric      TEXT NOT NULL CHECK (metric <> ''),
  stage       TEXT NOT NULL,
  value       REAL,
  PRIMARY KEY (training_id, step, metric)
) STRICT, WITHOUT ROWID;
)sql";

constexpr std::array<const char*, kSchemaVersion - 1> kMigrations = {kVersion2, kVersion3,
                                                                     kVersion4};

}  // namespace

const char* migration_sql(int from) {
  return kMigrations.at(static_cast<std::size_t>(from) - 1);
}

}  // namespace lethe::store
