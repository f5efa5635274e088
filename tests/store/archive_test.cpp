// SPDX-License-Identifier: Apache-2.0
#include "harness/store/archive.h"

#include <sqlite3.h>

#include <array>
#include <cmath>
#include <limits>

#include "harness/base/hash.h"
#include "harness/base/json.h"
#include "harness/base/text.h"
#include "harness/store/run_store.h"
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
using Catch::Matchers::Contains;

namespace {

constexpr double kOdd = 0.1 + 0.2;

void fill(const fs::path& path) {
  auto store = RunStore::open(path, OpenMode::kReadWriteCreate);
  const auto b = make_cell("b"), a = make_cell("a");
  store.add_cells(std::array{b, a});
  auto again = a;
  again.suite = "other";
  store.add_cells(std::array{again});
  const auto origin = store.begin_run(make_provenance());
  auto odd = make_sample(a, origin, "1", "c", kOdd, 3);
  odd.record.output = std::string("line\n\"quoted\" \xC3\xA9 \0 zero", 23);
  odd.record.score = -std::numeric_limits<double>::denorm_min();
  auto broken = make_sample(a, origin, "2", "c", std::numeric_limits<double>::max(), 3);
  broken.record.output = "not UTF-8: \xFF\xFE";
  broken.record.ttft_ms = std::numeric_limits<double>::infinity();
  broken.record.nll_trace.clear();
  store.add_samples(std::array{odd, broken, make_sample(b, origin, "1", "c", 0.0, 3)});
  store.set_cell_status(b.key, CellStatus::kFailed, "because", ErrorKind::kData);
}

std::string archive_of(const fs::path& database, const fs::path& file) {
  export_archive(database, file);
  return read_file(file, ErrorKind::kData);
}

std::vector<ShardReport> import(const fs::path& database, std::vector<fs::path> files) {
  return import_archives(database, files);
}

// The archive with its last line made right again.
std::string sealed(const std::vector<std::string>& lines) {
  std::string text;
  for (const auto& line : lines) text += line + "\n";
  return text + R"({"end":{"rows":)" + std::to_string(lines.size() - 1) + R"(,"sha256":")" +
         sha256_hex(text) + "\"}}\n";
}

}  // namespace

TEST_CASE("an archive gives the same database, and that the same archive") {
  TempDir dir;
  fill(dir / "r.db");
  const auto archive = archive_of(dir / "r.db", dir / "r.jsonl");
  CHECK(import(dir / "new.db", {dir / "r.jsonl"}).empty());
  CHECK(archive_of(dir / "new.db", dir / "new.jsonl") == archive);

  const auto store = RunStore::open(dir / "new.db", OpenMode::kReadOnly);
  const auto rows =
      store.query("SELECT nll_sum, score, output FROM sample WHERE sample_id = '1' AND score < 0");
  REQUIRE(rows.rows.size() == 1);
  CHECK(rows.rows[0][0].get_double() == kOdd);
  CHECK(rows.rows[0][1].get_double() == -std::numeric_limits<double>::denorm_min());
  CHECK(rows.rows[0][2].get_string().size() == 23);
  CHECK(
      store
          .query("SELECT 1 FROM sample WHERE CAST(output AS BLOB) = x'6e6f74205554462d383a20fffe' "
                 "AND ttft_ms = 9e999 AND nll_trace IS NULL")
          .rows.size() == 1);
  CHECK(store.cells("other").size() == 1);
  CHECK(store.cells()[0].record.key == make_cell("b").key);  // the order of insertion too
  CHECK(store.cells()[0].reason == "because");

  // Every line is JSON, and doubles read as what Python's float.fromhex takes.
  const auto lines = split(archive, '\n');
  for (const auto& line : lines) {
    if (!line.empty()) CHECK_NOTHROW(parse_json(line, "line", ErrorKind::kData));
  }
  CHECK_THAT(lines[0], Contains(R"("format":"lethe-archive")"));
  CHECK_THAT(archive, Contains(R"("nll_sum":"0x1.3333333333334p-2")") &&
                          Contains(R"("nll_sum":"0x0p+0")") && Contains(R"("ttft_ms":"inf")") &&
                          Contains(R"("output":{"base64":"bm90IFVURi04OiD//g=="})"));
}

TEST_CASE("an archive takes the place of a file and of nothing else") {
  TempDir dir;
  fill(dir / "r.db");
  fs::create_directory(dir / "folder");
  fs::create_symlink("/dev/null", dir / "device");
  for (const char* name : {"folder", "device"}) {
    CHECK_THROWS_WITH(export_archive(dir / "r.db", dir / name), Contains("no regular file"));
  }
  CHECK_THROWS_WITH(export_archive(dir / "r.db", dir / "none/r.jsonl"), Contains("cannot write"));
  CHECK_THROWS_AS(export_archive(dir / "none.db", dir / "r.jsonl"), Error);
  CHECK_FALSE(fs::exists(dir / "r.jsonl"));
  write_file_atomically(dir / "r.jsonl", "old");
  export_archive(dir / "r.db", dir / "r.jsonl");
  CHECK(read_file(dir / "r.jsonl", ErrorKind::kData).size() > 1000);

  const auto before = read_file(dir / "r.db", ErrorKind::kData);
  CHECK_THROWS_WITH(export_archive(dir / "r.db", dir / "r.db"), Contains("is a database"));
  CHECK(read_file(dir / "r.db", ErrorKind::kData) == before);
}

TEST_CASE("an import is not put beside the log of a database that is gone") {
  TempDir dir;
  fill(dir / "r.db");
  export_archive(dir / "r.db", dir / "r.jsonl");
  write_file_atomically(dir / "new.db-wal", "left over");
  const std::vector<fs::path> archives{dir / "r.jsonl"};
  CHECK_THROWS_WITH(import_archives(dir / "new.db", archives), Contains("new.db-wal is left"));
  CHECK_FALSE(fs::exists(dir / "new.db"));
  fs::remove(dir / "new.db-wal");
  import_archives(dir / "new.db", archives);
  // The file alone holds everything.
  fs::copy_file(dir / "new.db", dir / "copy.db");
  CHECK(RunStore::open(dir / "copy.db", OpenMode::kReadOnly).cells().size() ==
        RunStore::open(dir / "r.db", OpenMode::kReadOnly).cells().size());
}

TEST_CASE("an import into a database with rows merges") {
  TempDir dir;
  fill(dir / "r.db");
  export_archive(dir / "r.db", dir / "r.jsonl");
  {
    auto store = RunStore::open(dir / "other.db", OpenMode::kReadWriteCreate);
    const auto c = make_cell("c");
    store.add_cells(std::array{c});
    store.add_samples(
        std::array{make_sample(c, store.begin_run(make_provenance()), "1", "c", 1, 3)});
  }
  const auto first = import(dir / "other.db", {dir / "r.jsonl"});
  REQUIRE(first.size() == 1);
  CHECK(first[0].samples_new == 3);
  CHECK(first[0].path == dir / "r.jsonl");
  const auto before = archive_of(dir / "other.db", dir / "other.jsonl");
  const auto again = import(dir / "other.db", {dir / "r.jsonl", dir / "other.jsonl"});
  REQUIRE(again.size() == 2);
  CHECK(again[0].samples_new + again[1].samples_new == 0);
  CHECK(archive_of(dir / "other.db", dir / "other.jsonl") == before);
  int files = 0;
  for (const auto& entry : fs::directory_iterator(dir.path())) {
    files += entry.path().string().find(".import") != std::string::npos ? 1 : 0;
  }
  CHECK(files == 0);
}

TEST_CASE("damaged archives are refused with the line, and leave nothing behind") {
  TempDir dir;
  fill(dir / "r.db");
  const auto archive = archive_of(dir / "r.db", dir / "r.jsonl");
  auto lines = split(archive, '\n');
  while (lines.back().empty() || lines.back().starts_with(R"({"end")")) lines.pop_back();
  REQUIRE(sealed(lines) == archive);

  const auto refusal = [&](const std::string& text) {
    write_file_atomically(dir / "bad.jsonl", text);
    try {
      import(dir / "new.db", {dir / "bad.jsonl"});
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::kData);
      CHECK_THAT(error.what(), Contains("bad.jsonl"));
      CHECK_FALSE(fs::exists(dir / "new.db"));
      return std::string(error.what());
    }
    fs::remove(dir / "new.db");
    return std::string("was not refused");
  };
  const auto with = [&](std::size_t line, const std::string& from, const std::string& to) {
    auto changed = lines;
    const auto at = changed[line].find(from);
    REQUIRE(at != std::string::npos);
    changed[line].replace(at, from.size(), to);
    return changed;
  };
  const auto last = lines.size() - 1;  // a row of suite_cell
  std::size_t sample = 0;
  while (!lines[sample].starts_with(R"({"sample":)")) ++sample;
  const auto at_sample = ", line " + std::to_string(sample + 1) + " is damaged";

  CHECK_THAT(refusal(""), Contains("line 1"));
  CHECK_THAT(refusal("hello\n"), Contains("line 1") && Contains("not valid JSON"));
  CHECK_THAT(refusal("{\"a\":1}\n"), Contains("no archive of `lethe export`"));
  CHECK_THAT(refusal(sealed(with(0, "\"version\":1", "\"version\":7"))),
             Contains("expected version 1"));
  CHECK_THAT(refusal(sealed(with(sample, "{\"sample\"", "{\"samples\""))),
             Contains(at_sample) && Contains("did you mean 'sample'"));
  CHECK_THAT(refusal(sealed(with(sample, "\"nll_sum\":\"0x", "\"nll_sum\":\"0y"))),
             Contains(at_sample) && Contains("sample.nll_sum"));
  CHECK_THAT(refusal(sealed(with(sample, "\"nll_trace\":\"", "\"nll_trace\":\"*"))),
             Contains(at_sample) && Contains("base64"));
  CHECK_THAT(refusal(sealed(with(sample, "\"cluster\"", "\"klaster\""))),
             Contains(at_sample) && Contains("sample.cluster is missing"));
  CHECK_THAT(refusal(sealed(with(sample, "\"id\":1", "\"id\":\"1\""))),
             Contains(at_sample) && Contains("expected an integer"));
  CHECK_THAT(refusal(sealed(with(sample, "\"cell_id\":", "\"cell_id\":9"))),
             Contains("names a row of cell"));
  auto twice = lines;
  twice.push_back(lines[last]);
  CHECK_THAT(refusal(sealed(twice)), Contains("breaks a rule"));

  // Without a right last line.
  const auto end = ", line " + std::to_string(lines.size() + 1) + " is damaged";
  std::string changed = archive;
  changed.replace(changed.find("because"), 7, "whereas");
  CHECK_THAT(refusal(changed), Contains(end) && Contains("lines were changed or lost"));
  CHECK_THAT(refusal(archive.substr(0, archive.size() - 1)), Contains("cut off"));
  CHECK_THAT(refusal(archive.substr(0, archive.rfind("{\"end\""))),
             Contains("the archive ends here"));
  CHECK_THAT(refusal(archive + "{}\n"), Contains("nothing after the last line"));
}
