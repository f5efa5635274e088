// SPDX-License-Identifier: Apache-2.0
// Databases of older schemas, and damaged ones.
#include <array>
#include <fstream>
#include <map>

#include "harness/base/text.h"
#include "harness/store/run_store.h"
#include "harness/store/schema.h"
#include "harness/store/store_lock.h"
#include "harness/store/upgrade.h"
#include "tests/store/database_file.h"
#include "tests/store/rows.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

using namespace lethe;
using namespace lethe::store;
using Catch::Matchers::Contains;
using lethe::test::DatabaseFile;
using lethe::test::golden;
using lethe::test::make_cell;
using lethe::test::make_provenance;
using lethe::test::make_sample;
using lethe::test::TempDir;
namespace fs = std::filesystem;

namespace {

fs::path fixture_name(int version) {
  return "store/v" + std::to_string(version) + ".db";
}

// "name: SQL" of everything in a schema. SQLite writes renamed tables in quotes and keeps the white
// space of the statement that made them.
std::map<std::string, std::string> schema_of(const fs::path& path) {
  DatabaseFile db(path);
  std::map<std::string, std::string> out;
  for (const auto& row : db.rows("SELECT type || ' ' || name, sql FROM sqlite_schema")) {
    const auto bar = row.find('|');
    std::string sql;
    for (const char letter : row.substr(bar + 1)) {
      if (letter == '"') continue;
      const bool space = letter == ' ' || letter == '\n';
      if (!space) {
        sql += letter;
      } else if (!sql.empty() && sql.back() != ' ' && sql.back() != '(') {
        sql += ' ';
      }
    }
    out[row.substr(0, bar)] = sql;
  }
  return out;
}

std::string store_error(const fs::path& path, OpenMode mode) {
  try {
    RunStore::open(path, mode, {std::chrono::milliseconds(50)});
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::kStore);
    return error.what();
  }
  return "no error";
}

const std::array<std::string, 4> kUnchangedTables{"meta WHERE name LIKE 'created%'", "cell",
                                                  "suite_cell", "sample"};

}  // namespace

TEST_CASE("every past schema version has a database here, and it can be migrated") {
  TempDir dir;
  { RunStore::open(dir / "fresh.db", OpenMode::kReadWriteCreate); }
  const auto fresh = schema_of(dir / "fresh.db");
  CHECK(fresh.size() > 15);
  for (int version = 1; version < kSchemaVersion; ++version) {
    INFO(version);
    const auto path = dir / fixture_name(version).filename();
    fs::copy_file(golden(fixture_name(version)), path);
    std::map<std::string, std::vector<std::string>> before;
    {
      DatabaseFile old(path);
      REQUIRE(old.rows("PRAGMA user_version") == std::vector{std::to_string(version)});
      for (const auto& table : kUnchangedTables) before[table] = old.rows("SELECT * FROM " + table);
      before["results"] = old.rows("SELECT * FROM results");
      CHECK(before["sample"].size() >= 10);
    }
    {
      auto store = RunStore::open(path, OpenMode::kReadWriteCreate);
      // Work goes on in it.
      CHECK(store.query("PRAGMA integrity_check").rows[0][0] == "ok");
      CHECK(store.query("PRAGMA foreign_key_check").rows.empty());
    }
    CHECK(schema_of(path) == fresh);
    {
      DatabaseFile now(path);
      for (const auto& table : kUnchangedTables) {
        INFO(table);
        CHECK(now.rows("SELECT * FROM " + table) == before[table]);
      }
      CHECK(now.rows("SELECT * FROM results") == before["results"]);
      CHECK(now.rows("PRAGMA user_version") == std::vector{std::to_string(kSchemaVersion)});
      CHECK(now.rows("SELECT count(*) FROM meta WHERE name = 'migrated_from_" +
                     std::to_string(version) + "'") == std::vector<std::string>{"1"});
    }
    auto store = RunStore::open(path, OpenMode::kReadWriteCreate);
    const auto cell = make_cell("new");
    store.add_cells(std::array{cell});
    const auto origin = store.begin_run(make_provenance());
    CHECK(store.add_samples(std::array{make_sample(cell, origin, "1", "1", 1, 1)}) == 1);
  }
}

TEST_CASE("the rows of version 1 keep where they come from") {
  TempDir dir;
  fs::copy_file(golden(fixture_name(1)), dir / "r.db");
  const auto old = DatabaseFile(dir / "r.db")
                       .rows(
                           "SELECT id, created_at, version, git_commit, git_dirty, compiler, "
                           "build_type, torch_version, "
                           "cpu, device, threads, host, command, suite_sha256 FROM provenance");
  { RunStore::open(dir / "r.db", OpenMode::kReadWriteCreate); }
  DatabaseFile now(dir / "r.db");
  CHECK(now.rows("SELECT id, created_at, version, git_commit, git_dirty, compiler, build_type, "
                 "torch_version, cpu, device, threads, host, command, suite_sha256 "
                 "FROM provenance") == old);
  CHECK(now.rows("SELECT flags, kernel, samples, first_sample <= last_sample FROM provenance") ==
        std::vector<std::string>{"||10|1"});
}

TEST_CASE("an old database is read with today's views and stays as it is") {
  TempDir dir;
  const auto path = dir / "r.db";
  fs::copy_file(golden(fixture_name(1)), path);
  const auto bytes = read_file(path, ErrorKind::kData);
  {
    const auto store = RunStore::open(path, OpenMode::kReadOnly);
    CHECK(store.query("SELECT samples FROM provenance").rows[0][0] == 10);
    CHECK(store.cells().size() == 5);
    const auto key = store.query("SELECT sample_key FROM samples").rows[0][0].as_string();
    CHECK(store.read_nll_trace(key).size() == 2047);
    CHECK_THROWS_AS(store.query("DELETE FROM cell"), Error);
  }
  CHECK(read_file(path, ErrorKind::kData) == bytes);
}

TEST_CASE("a migration that cannot be done changes nothing") {
  TempDir dir;
  const auto path = dir / "r.db";
  fs::copy_file(golden(fixture_name(1)), path);
  std::string reason;
  SECTION("a row breaks a rule") {
    DatabaseFile(path).exec("UPDATE cell SET inputs = '{}'");
    reason = "CHECK constraint failed";
  }
  SECTION("a column is missing") {
    DatabaseFile old(path);
    old.exec("DROP VIEW suite_results; DROP VIEW results; DROP VIEW metric; DROP VIEW samples");
    old.exec("ALTER TABLE sample DROP COLUMN tokens_shared");
    reason = "no such column: sample.tokens_shared";
  }
  const auto before = schema_of(path);
  for (const auto mode : {OpenMode::kReadWriteCreate, OpenMode::kReadOnly}) {
    const auto message = store_error(path, mode);
    CHECK_THAT(message, Contains("from schema version 1 to " + std::to_string(kSchemaVersion)) &&
                            Contains(reason) && Contains(path.string()));
  }
  CHECK(schema_of(path) == before);
  CHECK(DatabaseFile(path).rows("PRAGMA user_version") == std::vector<std::string>{"1"});
}

TEST_CASE("an old database is not migrated under a run that is at work on it") {
  TempDir dir;
  const auto path = dir / "r.db";
  fs::copy_file(golden(fixture_name(1)), path);
  {
    const StoreLock lock(path, "lethe run old");
    CHECK_THAT(store_error(path, OpenMode::kReadWriteCreate),
               Contains("command lethe run old") && Contains("schema version 1"));
    CHECK(RunStore::open(path, OpenMode::kReadOnly).cells().size() == 5);
  }
  CHECK(store_error(path, OpenMode::kReadWriteCreate) == "no error");
}

TEST_CASE("rows without commit or model are refused") {
  TempDir dir;
  auto store = RunStore::open(dir / "r.db", OpenMode::kReadWriteCreate);
  auto no_commit = make_provenance();
  no_commit.git_commit.clear();
  CHECK_THROWS_WITH(store.begin_run(no_commit), Contains("git_commit"));
  auto no_model = make_cell("a");
  for (const auto* inputs : {"{}", R"({"model":null})", "[", ""}) {
    no_model.inputs = inputs;
    INFO(inputs);
    CHECK_THROWS_WITH(store.add_cells(std::array{no_model}), Contains("broken rule"));
  }
  CHECK(store.cells().empty());
}

TEST_CASE("a file with an overwritten page is refused before anything is written") {
  TempDir dir;
  const auto path = dir / "r.db";
  {
    auto store = RunStore::open(path, OpenMode::kReadWriteCreate);
    const auto cell = make_cell("a", 500);
    store.add_cells(std::array{cell});
    const auto origin = store.begin_run(make_provenance());
    std::vector<SampleRow> rows;
    for (int i = 0; i < 500; ++i) {
      rows.push_back(make_sample(cell, origin, std::to_string(i), "A", 1, 1));
    }
    store.add_samples(rows);
  }
  constexpr std::streamoff kPage = 4096;
  const auto pages = static_cast<std::streamoff>(fs::file_size(path)) / kPage;
  REQUIRE(pages > 20);
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(pages / 2 * kPage);
    const std::string junk(kPage, '\xA5');
    file.write(junk.data(), kPage);
  }
  const auto bytes = read_file(path, ErrorKind::kData);
  CHECK_THAT(store_error(path, OpenMode::kReadWriteCreate),
             Contains("is damaged") && Contains("restore a copy") && Contains(".recover"));
  CHECK(read_file(path, ErrorKind::kData) == bytes);
}

TEST_CASE("a row whose reference leads nowhere is damage") {
  TempDir dir;
  const auto path = dir / "r.db";
  {
    auto store = RunStore::open(path, OpenMode::kReadWriteCreate);
    store.add_cells(std::array{make_cell("a")});
  }
  DatabaseFile(path).exec("PRAGMA foreign_keys = OFF; DELETE FROM cell");
  CHECK_THAT(store_error(path, OpenMode::kReadWriteCreate),
             Contains("is damaged") && Contains("table suite_cell") && Contains("table cell"));
}
