// SPDX-License-Identifier: Apache-2.0
#include "harness/store/run_store.h"

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>

#include "harness/store/nll_trace.h"
#include "tests/store/rows.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

using namespace lethe;
using namespace lethe::store;
using lethe::test::make_cell;
using lethe::test::make_provenance;
using lethe::test::make_sample;
using lethe::test::TempDir;

namespace {

double number(const RunStore& store, const std::string& sql) {
  const auto result = store.query(sql);
  REQUIRE(result.rows.size() == 1);
  return result.rows[0][0].to_number<double>();
}

}  // namespace

TEST_CASE("a cell and its samples come back as they went in") {
  TempDir dir;
  const auto cell = make_cell("a");
  {
    auto store = RunStore::open(dir / "r.db", OpenMode::kReadWriteCreate);
    store.add_cells(std::array{cell});
    const auto provenance = store.begin_run(make_provenance());
    auto first = make_sample(cell, provenance, "860/0", "860", 0.1 + 0.2, 3);
    first.record.output = "line\nwith \xC3\xA9";
    const std::array rows{first, make_sample(cell, provenance, "860/1", "860", 4, 3)};
    CHECK(store.add_samples(rows) == 2);
    store.set_cell_status(cell.key, CellStatus::kFailed, "because", ErrorKind::kData);
  }
  const auto store = RunStore::open(dir / "r.db", OpenMode::kReadOnly);
  const auto stored = store.cell(cell.key);
  REQUIRE(stored);
  CHECK(stored->record.inputs == cell.inputs);
  CHECK(stored->record.budget == 64);
  CHECK(stored->status == CellStatus::kFailed);
  CHECK(stored->reason == "because");
  CHECK(stored->kind == ErrorKind::kData);
  CHECK(stored->samples_done == 2);
  CHECK_FALSE(store.cell(sha256_hex("other")));
  const auto result =
      store.query("SELECT nll_sum, output, score, provenance_id FROM samples WHERE sample_id = ?1",
                  std::array{json::value("860/0")});
  REQUIRE(result.rows.size() == 1);
  CHECK(result.rows[0][0].get_double() == 0.1 + 0.2);
  CHECK(result.rows[0][1].get_string() == "line\nwith \xC3\xA9");
  CHECK(result.rows[0][2].is_null());
  CHECK(store.query("SELECT * FROM failures").rows.size() == 1);
  CHECK(number(store, "SELECT count(*) FROM provenance WHERE command = 'lethe run quick'") == 1);
  const auto trace = store.read_nll_trace(sha256_hex(cell.key + "860/0"));
  REQUIRE(trace.size() == 3);
  CHECK(trace[0] == 1.5F);
  CHECK(std::signbit(trace[1]));

  // Half-open, and clipped to the trace.
  const auto part = [&](const std::string& function, const std::string& range) {
    return number(store, "SELECT " + function + "(nll_trace, " + range +
                             ") FROM sample WHERE sample_id = '860/0'");
  };
  CHECK(part("nll_sum", "0, 1") == 1.5);
  CHECK(part("nll_sum", "-5, 1e9") == double{trace[0]} + trace[1] + trace[2]);
  CHECK(part("nll_count", "1, 3") == 2);
  CHECK(part("nll_count", "3, 9") == 0);
  CHECK(part("nll_count", "2, 1") == 0);
  CHECK(store.query("SELECT nll_sum(NULL, 0, 1)").rows[0][0].is_null());
  CHECK_THROWS_WITH(store.query("SELECT nll_sum(x'00', 0, 1)"),
                    Catch::Matchers::Contains("damaged"));
}

TEST_CASE("a sample or cell that is there already is not stored twice") {
  TempDir dir;
  auto store = RunStore::open(dir / "r.db", OpenMode::kReadWriteCreate);
  const auto cell = make_cell("a");
  store.add_cells(std::array{cell, cell});
  store.set_cell_status(cell.key, CellStatus::kDone);
  auto again = cell;
  again.suite = "other";
  store.add_cells(std::array{again});
  CHECK(store.cells().size() == 1);
  CHECK(store.cell(cell.key)->status == CellStatus::kDone);
  CHECK(store.cell(cell.key)->record.suite == "quick");
  CHECK(store.cells("quick").size() == 1);
  CHECK(store.cells("other").size() == 1);
  CHECK(store.cells("third").empty());

  const auto provenance = store.begin_run(make_provenance());
  const auto row = make_sample(cell, provenance, "1/0", "1", 2, 2);
  auto changed = row;
  changed.record.nll_sum = 99;
  CHECK(store.add_samples(std::array{row, changed}) == 1);
  CHECK(store.add_samples(std::array{changed}) == 0);
  CHECK(number(store, "SELECT nll_sum FROM sample") == 2);
  CHECK(store.done_sample_keys(cell.key) == std::set<std::string>{row.record.sample_key});
  CHECK(store.query("SELECT suite FROM suite_results WHERE metric = 'ppl'").rows.size() == 2);
  CHECK(store.query("SELECT suite FROM results WHERE metric = 'ppl'").rows.size() == 1);
}

TEST_CASE("a sample without figures per layer is stored") {
  TempDir dir;
  auto store = RunStore::open(dir / "r.db", OpenMode::kReadWriteCreate);
  const auto cell = make_cell("a");
  store.add_cells(std::array{cell});
  auto row = make_sample(cell, store.begin_run(make_provenance()), "1/0", "1", 2, 2);
  row.record.layers.clear();
  CHECK(store.add_samples(std::array{row}) == 1);
  CHECK(store.query("SELECT layers FROM sample").rows[0][0] == "[]");
}

TEST_CASE("a batch with a bad row stores nothing") {
  TempDir dir;
  auto store = RunStore::open(dir / "r.db", OpenMode::kReadWriteCreate);
  const auto cell = make_cell("a");
  store.add_cells(std::array{cell});
  const auto provenance = store.begin_run(make_provenance());
  const auto good = make_sample(cell, provenance, "1/0", "1", 2, 2);
  auto no_cell = make_sample(make_cell("unknown"), provenance, "1/1", "1", 2, 2);
  CHECK_THROWS_AS(store.add_samples(std::array{good, no_cell}), Error);
  auto no_provenance = make_sample(cell, provenance + 1, "1/1", "1", 2, 2);
  CHECK_THROWS_AS(store.add_samples(std::array{good, no_provenance}), Error);
  auto bad_layers = make_sample(cell, provenance, "1/1", "1", 2, 2);
  bad_layers.record.layers = "[";
  CHECK_THROWS_AS(store.add_samples(std::array{good, bad_layers}), Error);
  CHECK(number(store, "SELECT count(*) FROM sample") == 0);
  CHECK(store.add_samples(std::array{good}) == 1);
  CHECK_THROWS_AS(store.set_cell_status(sha256_hex("unknown"), CellStatus::kDone), Error);
}

TEST_CASE("the view results agrees with numbers worked out by hand") {
  TempDir dir;
  auto store = RunStore::open(dir / "r.db", OpenMode::kReadWriteCreate);
  const auto cell = make_cell("a", 4);
  const auto scored = make_cell("b", 3);
  const auto single = make_cell("c", 1);
  store.add_cells(std::array{cell, scored, single});
  const auto p = store.begin_run(make_provenance());
  // Clusters: A has nll 6 over 4 tokens (2 samples), B has 2 over 2, C has 12 over 6.
  store.add_samples(
      std::array{make_sample(cell, p, "A/0", "A", 2, 1), make_sample(cell, p, "A/1", "A", 4, 3),
                 make_sample(cell, p, "B/0", "B", 2, 2), make_sample(cell, p, "C/0", "C", 12, 6)});
  std::array scores{make_sample(scored, p, "A/0", "A", 0, 0),
                    make_sample(scored, p, "A/1", "A", 0, 0),
                    make_sample(scored, p, "B/0", "B", 0, 0)};
  const std::array values{1.0, 0.5, 0.0};
  for (std::size_t i = 0; i < scores.size(); ++i) {
    scores[i].record.nll_sum.reset();
    scores[i].record.score = values[i];
  }
  store.add_samples(scores);
  store.add_samples(std::array{make_sample(single, p, "A/0", "A", 3, 2)});
  store.set_cell_status(cell.key, CellStatus::kDone);

  const auto value = [&](const std::string& column, const std::string& metric,
                         const CellRecord& of) {
    return number(store, "SELECT " + column + " FROM results WHERE metric = '" + metric +
                             "' AND cell_key = '" + of.key + "'");
  };
  const double mean = 20.0 / 12.0;
  // Residuals S - m T: A 6 - 20/3 = -2/3, B 2 - 10/3 = -4/3, C 12 - 10 = 2; squares sum to 56/9.
  const double error = std::sqrt(1.5 * 56.0 / 9.0) / 12.0;
  CHECK(value("value", "mean_nll", cell) == Approx(mean).epsilon(1e-14));
  CHECK(value("stderr", "mean_nll", cell) == Approx(error).epsilon(1e-14));
  CHECK(value("value", "ppl", cell) == Approx(std::exp(mean)).epsilon(1e-14));
  CHECK(value("stderr", "ppl", cell) == Approx(std::exp(mean) * error).epsilon(1e-14));
  const double a = std::exp(1.5), b = std::exp(1.0), c = std::exp(2.0), book = (a + b + c) / 3;
  const double deviation =
      std::sqrt(((a - book) * (a - book) + (b - book) * (b - book) + (c - book) * (c - book)) / 2);
  CHECK(value("value", "ppl_book", cell) == Approx(book).epsilon(1e-14));
  CHECK(value("stderr", "ppl_book", cell) == Approx(deviation / std::sqrt(3.0)).epsilon(1e-14));
  CHECK(value("n", "ppl", cell) == 4);
  CHECK(value("clusters", "ppl", cell) == 3);
  CHECK(value("tokens", "ppl", cell) == 12);
  CHECK(value("tokens_per_s", "ppl", cell) == Approx((2 + 4 + 3 + 7) / 2.0));
  CHECK(value("peak_bytes", "ppl", cell) == 1200);
  CHECK(store.query("SELECT * FROM results WHERE status = 'done'").rows.size() == 3);

  // Scores 1, 0.5 | 0: mean 0.5; cluster sums of deviations 0.5 and -0.5.
  CHECK(value("value", "score", scored) == Approx(0.5));
  CHECK(value("stderr", "score", scored) == Approx(std::sqrt(2 * 0.5) / 3).epsilon(1e-14));
  CHECK(store.query("SELECT 1 FROM results WHERE cell_key = '" + scored.key + "'").rows.size() ==
        1);

  // One cluster says nothing of the spread.
  CHECK(value("value", "ppl", single) == Approx(std::exp(1.5)));
  const auto unknown =
      store.query("SELECT stderr FROM results WHERE cell_key = '" + single.key + "'");
  REQUIRE(unknown.rows.size() == 3);
  for (const auto& row : unknown.rows) CHECK(row[0].is_null());
}

TEST_CASE("queries read and do nothing else") {
  TempDir dir;
  auto store = RunStore::open(dir / "r.db", OpenMode::kReadWriteCreate);
  const auto cell = make_cell("a");
  store.add_cells(std::array{cell});
  const auto refused = [&](const std::string& sql, const std::string& expected) {
    INFO(sql);
    try {
      store.query(sql);
      FAIL_CHECK("was not refused");
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::kUsage);
      CHECK(std::string(error.what()).find(expected) != std::string::npos);
      CHECK(std::string(error.what()).find(sql) != std::string::npos);
    }
  };
  for (const std::string sql :
       {"DELETE FROM cell", "UPDATE cell SET seed = 1", "DROP VIEW results", "VACUUM",
        "ATTACH '/tmp/x.db' AS x", "PRAGMA journal_mode = DELETE", "PRAGMA wal_checkpoint",
        "PRAGMA user_version = 7", "BEGIN", "CREATE TEMP TABLE t (a)",
        "WITH x AS (SELECT 1) INSERT INTO meta SELECT 'a', 'b'"}) {
    refused(sql, "only statements that read");
  }
  refused("SELECT 1; SELECT 2", "one statement");
  refused("SELECT nonsense FROM cell", "no such column: nonsense");
  refused("SELEC 1", "syntax error");
  refused("  -- nothing", "empty");
  refused("SELECT ?1", "expected 1 parameters, found 0");
  CHECK(number(store, "SELECT count(*) FROM cell;  ") == 1);
  CHECK(store.query("SELECT value FROM json_each('[4,5]')").rows.size() == 2);
  CHECK(store.query("PRAGMA table_info(cell)").rows.size() > 10);
  const auto kinds = store.query("SELECT NULL, 3, 0.5, 'x', X'0aff', 9e999, -9e999");
  REQUIRE(kinds.rows.size() == 1);
  CHECK(json::serialize(json::array(kinds.rows[0].begin(), kinds.rows[0].end())) ==
        R"([null,3,5E-1,"x","X'0AFF'","inf","-inf"])");
}

TEST_CASE("running cells of a dead coordinator become pending") {
  TempDir dir;
  auto store = RunStore::open(dir / "r.db", OpenMode::kReadWriteCreate);
  const auto a = make_cell("a"), b = make_cell("b");
  store.add_cells(std::array{a, b});
  store.set_cell_status(a.key, CellStatus::kRunning);
  store.set_cell_status(b.key, CellStatus::kOom, "too large", ErrorKind::kResource);
  store.reset_running_cells();
  CHECK(store.cell(a.key)->status == CellStatus::kPending);
  CHECK(store.cell(b.key)->status == CellStatus::kOom);
}

TEST_CASE("NLL traces keep every bit") {
  std::vector<float> trace;
  for (int i = 0; i < 5000; ++i) trace.push_back(std::sin(static_cast<float>(i)) * 1e-3F);
  trace.push_back(std::numeric_limits<float>::denorm_min());
  trace.push_back(std::numeric_limits<float>::infinity());
  CHECK(decode_nll_trace(encode_nll_trace(trace)) == trace);
  CHECK(decode_nll_trace(encode_nll_trace({})).empty());
  CHECK(decode_nll_trace(encode_nll_trace(std::vector<float>(1 << 20, 1.0F))).size() == 1 << 20);
}

TEST_CASE("damaged NLL traces are refused") {
  const std::string blob = encode_nll_trace(std::vector<float>{1, 2, 3, 4});
  for (std::size_t size = 0; size < blob.size(); ++size) {
    INFO(size);
    CHECK_THROWS_AS(decode_nll_trace(blob.substr(0, size)), Error);
  }
  for (const unsigned at : {0U, 4U, 5U, 7U, 8U, 12U}) {
    auto flipped = blob;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x40);
    INFO(at);
    CHECK_THROWS_AS(decode_nll_trace(flipped), Error);
  }
}
