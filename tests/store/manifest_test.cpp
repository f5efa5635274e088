// SPDX-License-Identifier: Apache-2.0
#include "harness/store/manifest.h"

#include <sqlite3.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <iostream>

#include "harness/base/hash.h"
#include "harness/base/text.h"
#include "tests/store/rows.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

using namespace lethe;
using namespace lethe::store;
using lethe::test::make_cell;
using lethe::test::make_provenance;
using lethe::test::make_sample;
using lethe::test::TempDir;
namespace fs = std::filesystem;

namespace {

void fill(const fs::path& path, bool backwards) {
  auto store = RunStore::open(path, OpenMode::kReadWriteCreate);
  std::vector<CellRecord> cells{make_cell("a"), make_cell("b"), make_cell("empty")};
  cells[2].suite = "other";
  if (backwards) std::reverse(cells.begin(), cells.end());
  store.add_cells(cells);
  const auto origin = store.begin_run(make_provenance());
  std::vector<SampleRow> rows;
  for (const auto& cell : cells) {
    if (cell.suite == "other") continue;
    for (const char* id : {"1", "2"}) {
      rows.push_back(make_sample(cell, origin, id, "c", 0.1, 3));
      rows.back().record.output = "Ünïcode \"text\"\n";
    }
    rows.back().record.score = 0.25;
    rows.back().record.nll_sum.reset();
    rows.back().record.nll_trace.clear();
  }
  if (backwards) std::reverse(rows.begin(), rows.end());
  store.add_samples(rows);
}

Manifest manifest(const fs::path& path, std::optional<std::string> suite = std::nullopt) {
  return make_manifest(RunStore::open(path, OpenMode::kReadOnly), suite);
}

void exec(const fs::path& path, const std::string& sql) {
  sqlite3* db = nullptr;
  REQUIRE(sqlite3_open(path.c_str(), &db) == SQLITE_OK);
  const int rc = sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr);
  const int changed = sqlite3_changes(db);
  sqlite3_close(db);
  REQUIRE(rc == SQLITE_OK);
  REQUIRE(changed > 0);
}

}  // namespace

TEST_CASE("the manifest covers results, not the order of rows") {
  TempDir dir;
  fill(dir / "a.db", false);
  fill(dir / "b.db", true);
  const auto first = manifest(dir / "a.db");
  CHECK(first.cells == 3);
  CHECK(first.samples == 4);
  CHECK(first.sha256 == sha256_hex(first.text));
  CHECK(manifest(dir / "b.db").text == first.text);
  CHECK(manifest(dir / "a.db", "quick").cells == 2);
  CHECK(manifest(dir / "a.db", "other").samples == 0);
  CHECK(manifest(dir / "a.db", "quick").sha256 != first.sha256);

  exec(dir / "b.db", "UPDATE sample SET seconds = 99, created_at = 'later'");
  CHECK(manifest(dir / "b.db").sha256 == first.sha256);
  // One bit each: 0.1 and its neighbour, a float of the trace, a letter, a score, an input.
  for (const std::string change :
       {"sample SET nll_sum = 0.10000000000000002 WHERE id = 1",
        "sample SET nll_trace = NULL WHERE id = 1", "sample SET output = 'x' WHERE id = 1",
        "sample SET score = 0.25000000000000006 WHERE score > 0",
        "sample SET sample_key = replace(sample_key, 'a', 'b') WHERE id = 1",
        "cell SET inputs = inputs || ' ' WHERE id = 1"}) {
    INFO(change);
    fs::copy_file(dir / "a.db", dir / "c.db", fs::copy_options::overwrite_existing);
    exec(dir / "c.db", "UPDATE " + change);
    CHECK(manifest(dir / "c.db").sha256 != first.sha256);
  }
}

TEST_CASE("the Python in the user guide works out the same hash") {
  if (std::system("python3 -c 'import sqlite3' >/dev/null 2>&1") != 0) {
    std::cout << "not run: there is no python3 with sqlite3\n";
    return;
  }
  const std::string guide = read_text_file(test::source_dir() / "docs/user-guide.md");
  const auto from = guide.find("```python\nimport hashlib");
  REQUIRE(from != std::string::npos);
  const auto begin = guide.find('\n', from) + 1;
  const std::string program = guide.substr(begin, guide.find("```", begin) - begin);
  CHECK(std::count(program.begin(), program.end(), '\n') <= 20);

  TempDir dir;
  fill(dir / "a.db", false);
  write_file_atomically(dir / "manifest.py", program);
  const std::string line = "python3 '" + (dir / "manifest.py").string() + "' '" +
                           (dir / "a.db").string() + "' >'" + (dir / "out").string() + "'";
  REQUIRE(std::system(line.c_str()) == 0);
  CHECK(read_file(dir / "out", ErrorKind::kData) == manifest(dir / "a.db").sha256 + "\n");
}
