// SPDX-License-Identifier: Apache-2.0
// Files that cannot be opened or written: each with its own message, none with a loss.
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <memory>
#include <thread>

#include "harness/base/text.h"
#include "harness/store/run_store.h"
#include "harness/store/schema.h"
#include "harness/store/store_lock.h"
#include "tests/store/full_disk.h"
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

constexpr OpenOptions kImpatient{std::chrono::milliseconds(50)};

void exec(const fs::path& path, const std::string& sql) {
  sqlite3* db = nullptr;
  REQUIRE(sqlite3_open(path.c_str(), &db) == SQLITE_OK);
  const int rc = sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr);
  sqlite3_close(db);
  REQUIRE(rc == SQLITE_OK);
}

template <typename Body>
std::string store_error(Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::kStore);
    CHECK(exit_code_for(error.kind()) == 2);
    return error.what();
  }
  return "no error";
}

std::string open_error(const fs::path& path, OpenMode mode) {
  return store_error([&] { RunStore::open(path, mode, kImpatient); });
}

// Root may write everywhere, so file permissions are tested as somebody else.
class Unprivileged {
 public:
  explicit Unprivileged(const TempDir& dir) {
    if (geteuid() != 0) return;
    changed_ = true;
    for (const auto& entry : fs::recursive_directory_iterator(dir.path())) {
      REQUIRE(chown(entry.path().c_str(), kNobody, kNobody) == 0);
    }
    REQUIRE(chown(dir.path().c_str(), kNobody, kNobody) == 0);
    REQUIRE(seteuid(kNobody) == 0);
  }
  ~Unprivileged() {
    if (changed_ && seteuid(0) != 0) std::abort();
  }
  Unprivileged(const Unprivileged&) = delete;
  Unprivileged& operator=(const Unprivileged&) = delete;

 private:
  static constexpr uid_t kNobody = 65534;
  bool changed_ = false;
};

}  // namespace

TEST_CASE("a new database carries its identity") {
  TempDir dir;
  { RunStore::open(dir / "r.db", OpenMode::kReadWriteCreate); }
  const auto store = RunStore::open(dir / "r.db", OpenMode::kReadOnly);
  CHECK(store.query("PRAGMA user_version").rows[0][0] == kSchemaVersion);
  CHECK(store.query("PRAGMA application_id").rows[0][0] == kApplicationId);
  // Bytes 18 and 19 of an SQLite file are 2 where the journal is a WAL.
  CHECK(read_file(dir / "r.db", ErrorKind::kData).substr(18, 2) == "\x02\x02");
  CHECK(store.query("SELECT value FROM meta WHERE name = 'created_by'").rows.size() == 1);
  const auto loose = store.query(
      "SELECT name FROM pragma_table_list WHERE schema = 'main' AND "
      "type = 'table' AND strict = 0 AND name NOT LIKE 'sqlite%'");
  CHECK(loose.rows.empty());
}

TEST_CASE("what is no result database is refused") {
  TempDir dir;
  const auto both = [&](const fs::path& path, const std::string& expected) {
    for (const auto mode : {OpenMode::kReadOnly, OpenMode::kReadWriteCreate}) {
      const std::string message = open_error(path, mode);
      INFO(message);
      CHECK(message.find(expected) != std::string::npos);
      CHECK(message.find(path.string()) != std::string::npos);
    }
  };
  std::ofstream(dir / "garbage.db") << std::string(5000, 'x');
  both(dir / "garbage.db", "not a result database");
  CHECK(read_file(dir / "garbage.db", ErrorKind::kData) == std::string(5000, 'x'));

  exec(dir / "other.db", "CREATE TABLE t (a)");
  both(dir / "other.db", "of another program");

  { RunStore::open(dir / "newer.db", OpenMode::kReadWriteCreate); }
  exec(dir / "newer.db", "PRAGMA user_version = " + std::to_string(kSchemaVersion + 41));
  both(dir / "newer.db", "schema version " + std::to_string(kSchemaVersion + 41));
  both(dir / "newer.db", "up to " + std::to_string(kSchemaVersion));

  CHECK(open_error(dir / "missing.db", OpenMode::kReadOnly).find("no result database") !=
        std::string::npos);
  CHECK_FALSE(fs::exists(dir / "missing.db"));
  CHECK(open_error(dir / "no/folder.db", OpenMode::kReadWriteCreate).find("does not exist") !=
        std::string::npos);
  fs::create_directory(dir / "folder.db");
  both(dir / "folder.db", "is a folder");
  std::ofstream(dir / "empty.db").flush();
  CHECK(open_error(dir / "empty.db", OpenMode::kReadOnly).find("is empty") != std::string::npos);
  CHECK(open_error(dir / "empty.db", OpenMode::kReadWriteCreate) == "no error");
}

TEST_CASE("a damaged page is reported as damage") {
  TempDir dir;
  const auto path = dir / "r.db";
  {
    auto store = RunStore::open(path, OpenMode::kReadWriteCreate);
    std::vector<CellRecord> cells;
    for (int i = 0; i < 200; ++i) cells.push_back(make_cell("cell" + std::to_string(i)));
    store.add_cells(cells);
  }
  const auto size = fs::file_size(path);
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(4096);
    const std::string junk(static_cast<std::size_t>(size) - 4096, '\xA5');
    file.write(junk.data(), static_cast<std::streamsize>(junk.size()));
  }
  const std::string message = store_error([&] {
    const auto store = RunStore::open(path, OpenMode::kReadOnly, kImpatient);
    store.cells();
  });
  INFO(message);
  CHECK(message.find("is damaged") != std::string::npos);
  CHECK(message.find(".recover") != std::string::npos);
}

TEST_CASE("a database locked by another writer is refused after the time-out") {
  TempDir dir;
  auto store = RunStore::open(dir / "r.db", OpenMode::kReadWriteCreate, kImpatient);
  sqlite3* other = nullptr;
  REQUIRE(sqlite3_open((dir / "r.db").c_str(), &other) == SQLITE_OK);
  REQUIRE(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr) == SQLITE_OK);
  const auto cell = make_cell("a");
  const std::string message = store_error([&] { store.add_cells(std::array{cell}); });
  CHECK(message.find("locked by another program") != std::string::npos);
  CHECK(store.cells().empty());  // readers are not locked out
  REQUIRE(sqlite3_exec(other, "COMMIT", nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(other);
  store.add_cells(std::array{cell});
  CHECK(store.cells().size() == 1);
}

TEST_CASE("read-only files and folders") {
  TempDir dir;
  const auto cell = make_cell("a");
  {
    auto store = RunStore::open(dir / "r.db", OpenMode::kReadWriteCreate);
    store.add_cells(std::array{cell});
  }
  const Unprivileged guard(dir);
  SECTION("file") {
    fs::permissions(dir / "r.db", fs::perms(0444));
    CHECK(open_error(dir / "r.db", OpenMode::kReadWriteCreate).find("read-only") !=
          std::string::npos);
    CHECK(RunStore::open(dir / "r.db", OpenMode::kReadOnly).cells().size() == 1);
  }
  SECTION("folder") {
    fs::permissions(dir.path(), fs::perms(0555));
    const auto new_file = open_error(dir / "new.db", OpenMode::kReadWriteCreate);
    CHECK(new_file.find("may be written to") != std::string::npos);
    const auto old_file = open_error(dir / "r.db", OpenMode::kReadWriteCreate);
    CHECK(old_file.find("its folder is read-only") != std::string::npos);
    // Reading goes on working, as from a read-only medium.
    CHECK(RunStore::open(dir / "r.db", OpenMode::kReadOnly).cells().size() == 1);
    const auto lock = store_error([&] { StoreLock(dir / "r.db", "test"); });
    CHECK(lock.find("cannot lock") != std::string::npos);
  }
}

TEST_CASE("a full disk loses nothing that was stored") {
  const auto cell = make_cell("a", 1000);
  int failures = 0;
  // Wherever the disk fills up: in the schema, in the log, in a later batch.
  for (long long bytes = 1000; bytes < 400'000; bytes = bytes * 3 / 2) {
    INFO(bytes);
    TempDir dir;
    std::size_t stored = 0;
    std::int64_t provenance = 0;
    {
      const test::FullDisk disk(bytes);
      try {
        auto store = RunStore::open(dir / "r.db", OpenMode::kReadWriteCreate, kImpatient);
        store.add_cells(std::array{cell});
        provenance = store.begin_run(make_provenance());
        for (int batch = 0; batch < 10; ++batch) {
          std::vector<SampleRow> rows;
          for (int i = 0; i < 20; ++i) {
            const auto id = std::to_string(batch) + "/" + std::to_string(i);
            rows.push_back(make_sample(cell, provenance, id, "A", 1, 1));
          }
          stored += store.add_samples(rows);
        }
      } catch (const Error& error) {
        ++failures;
        CHECK(error.kind() == ErrorKind::kStore);
        CHECK(std::string(error.what()).find("is full") != std::string::npos);
        CHECK(std::string(error.what()).find("r.db") != std::string::npos);
      }
    }
    auto store = RunStore::open(dir / "r.db", OpenMode::kReadWriteCreate, kImpatient);
    CHECK(store.query("PRAGMA integrity_check").rows[0][0] == "ok");
    CHECK(store.query("SELECT count(*) FROM sample").rows[0][0] == stored);
    store.add_cells(std::array{cell});  // with room again, the work goes on
    if (!provenance) provenance = store.begin_run(make_provenance());
    CHECK(store.add_samples(std::array{make_sample(cell, provenance, "new", "A", 1, 1)}) == 1);
  }
  CHECK(failures >= 5);
}

TEST_CASE("several processes may open a new database at once") {
  TempDir dir;
  std::vector<pid_t> children;
  for (int i = 0; i < 16; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      int code = 1;
      try {
        auto store = RunStore::open(dir / "r.db", OpenMode::kReadWriteCreate,
                                    {std::chrono::milliseconds(20000)});
        store.add_cells(std::array{make_cell("cell" + std::to_string(i))});
        code = 0;
      } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
      }
      _exit(code);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(status == 0);
  }
  CHECK(RunStore::open(dir / "r.db", OpenMode::kReadOnly).cells().size() == 16);
}

TEST_CASE("a second coordinator is refused by the name of the first") {
  TempDir dir;
  const auto database = dir / "r.db";
  {
    CHECK_FALSE(StoreLock::holder(database));
    const StoreLock lock(database, "lethe run quick.json");
    REQUIRE(StoreLock::holder(database));
    CHECK(StoreLock::holder(database)->find("command lethe run quick.json") != std::string::npos);
    const auto message = store_error([&] { StoreLock(database, "second"); });
    INFO(message);
    CHECK(message.find("in use by another run") != std::string::npos);
    CHECK(message.find("pid " + std::to_string(getpid())) != std::string::npos);
    CHECK(message.find("command lethe run quick.json") != std::string::npos);
    CHECK(message.find("host ") != std::string::npos);
    CHECK(message.find("since 20") != std::string::npos);
  }
  CHECK_FALSE(fs::exists(StoreLock::path_for(database)));
  { const StoreLock lock(database, "third"); }
}

TEST_CASE("the lock of a killed coordinator is free") {
  TempDir dir;
  const auto database = dir / "r.db";
  int ready[2];
  REQUIRE(pipe(ready) == 0);
  const pid_t child = fork();
  if (child == 0) {
    const StoreLock lock(database, "doomed");
    if (write(ready[1], "x", 1) != 1) _exit(1);
    while (true) pause();
  }
  char byte = 0;
  REQUIRE(read(ready[0], &byte, 1) == 1);
  CHECK(store_error([&] { StoreLock(database, "second"); }).find("command doomed") !=
        std::string::npos);
  kill(child, SIGKILL);
  REQUIRE(waitpid(child, nullptr, 0) == child);
  CHECK(fs::exists(StoreLock::path_for(database)));
  CHECK_FALSE(StoreLock::holder(database));
  const StoreLock lock(database, "successor");
  CHECK(store_error([&] { StoreLock(database, "fourth"); }).find("command successor") !=
        std::string::npos);
  close(ready[0]);
  close(ready[1]);
}
