// SPDX-License-Identifier: Apache-2.0
#include "tasks/datasets/fetch.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "harness/base/file_lock.h"
#include "harness/base/hash.h"
#include "harness/base/json.h"
#include "harness/base/text.h"
#include "tasks/datasets/dataset_files.h"
#include "tasks/datasets/record_file.h"
#include "tests/support/archive_writer.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"
#include "tests/support/http_server.h"

namespace lethe::tasks {

using Catch::Matchers::Contains;
using test::HttpFile;
using test::HttpServer;
namespace fs = std::filesystem;

namespace {

const std::string kLines = "{\"n\": 1}\n{\"n\": 2}\n";

std::string bytes_of(const fs::path& file) {
  return read_file(file, ErrorKind::kData);
}

/// A data set "set" of a plain file and an archive on a server of its own.
struct Bench {
  test::TempDir scratch;
  HttpServer server;
  Dataset dataset;
  FetchOptions options;
  std::vector<std::string> begun;
  std::vector<std::string> notes;
  bool stop = false;

  Bench() {
    options.folder = scratch / "data";
    options.command = "lethe fetch set";
    options.patience = {2, 0.01, 5, 5};
    dataset.name = "set";
    dataset.homepage = "https://owner.example/set";
    serve_archive({{"inner/b.jsonl", kLines}, {"inner/deep/c.jsonl", kLines}});
    server.put("/a.jsonl", {kLines});
    DatasetFile plain;
    plain.name = "a.jsonl";
    plain.urls = {server.url("/a.jsonl")};
    plain.bytes = static_cast<std::int64_t>(kLines.size());
    plain.sha256 = sha256_hex(kLines);
    DatasetFile archive;
    archive.name = "more.zip";
    archive.urls = {server.url("/more.zip")};
    archive.unpack = UnpackRule{"more", "inner/", 1 << 20};
    dataset.files = {plain, archive};
  }
  void serve_archive(const std::vector<test::WrittenMember>& members) {
    test::write_archive(scratch / "made.zip", members);
    server.put("/more.zip", {bytes_of(scratch / "made.zip")});
  }
  fs::path folder() const { return options.folder / "set"; }
  std::vector<FetchedFile> run() {
    begun.clear();
    notes.clear();
    FetchHooks hooks;
    hooks.begin_file = [&](const DatasetFile& file) { begun.push_back(file.name); };
    hooks.download.progress = [](std::int64_t, std::optional<std::int64_t>) {};
    hooks.download.note = [&](const std::string& text) { notes.push_back(text); };
    hooks.download.interrupted = [&] { return stop; };
    return fetch_dataset(dataset, options, hooks);
  }
  std::string failure() {
    try {
      run();
    } catch (const Error& error) {
      CHECK_FALSE(is_fetched(dataset, options.folder));
      CHECK_FALSE(fs::exists(options.folder / "set.lock"));
      for (const auto& entry : fs::directory_iterator(folder())) {
        CHECK_FALSE(entry.path().filename().string().starts_with(".unpacking"));
      }
      return error.what();
    }
    FAIL_CHECK("no error");
    return "";
  }
};

}  // namespace

TEST_CASE("a data set is fetched, unpacked, found, and left alone afterwards",
          "[tasks][integration]") {
  Bench bench;
  CHECK_FALSE(is_fetched(bench.dataset, bench.options.folder));
  const auto fetched = bench.run();
  REQUIRE(fetched.size() == 2);
  CHECK(fetched[0].sha256 == sha256_hex(kLines));
  CHECK(fetched[1].sha256 == sha256_file(bench.scratch / "made.zip"));
  CHECK(fetched[1].unpacked.size() == 2);
  CHECK(bytes_of(bench.folder() / "more/deep/c.jsonl") == kLines);
  CHECK_FALSE(fs::exists(bench.folder() / "more.zip"));
  CHECK(is_fetched(bench.dataset, bench.options.folder));
  const auto found = dataset_file(bench.dataset, "more/b.jsonl", {bench.options.folder});
  CHECK(found == bench.folder() / "more/b.jsonl");

  const auto requests = bench.server.requests().size();
  bench.run();
  CHECK(bench.begun.empty());
  CHECK(bench.server.requests().size() == requests);
  bench.options.force = true;
  bench.run();
  CHECK(bench.server.requests().size() == requests + 2);
  CHECK(is_fetched(bench.dataset, bench.options.folder));
}

TEST_CASE("what is missing or changed is fetched again, and that alone", "[tasks][integration]") {
  Bench bench;
  bench.run();
  write_file_atomically(bench.folder() / "more/b.jsonl", "{\"n\": 9}\n{\"n\": 2}\n");
  bench.run();
  CHECK(bench.begun == std::vector<std::string>{"more.zip"});
  CHECK_THAT(bench.notes.front(), Contains("more/b.jsonl has changed"));
  CHECK(bytes_of(bench.folder() / "more/b.jsonl") == kLines);
  fs::remove(bench.folder() / "a.jsonl");
  CHECK_FALSE(is_fetched(bench.dataset, bench.options.folder));
  bench.run();
  CHECK(bench.begun == std::vector<std::string>{"a.jsonl"});
  write_file_atomically(bench.folder() / "a.jsonl", kLines + "{}\n");
  bench.run();
  CHECK(bytes_of(bench.folder() / "a.jsonl") == kLines);
}

TEST_CASE("a checksum that nobody published is that of the first download",
          "[tasks][integration]") {
  Bench bench;
  const auto first = bench.run()[1].sha256;
  bench.serve_archive({{"inner/b.jsonl", "{\"n\": 7}\n"}});
  bench.options.force = true;
  try {
    bench.run();
    FAIL_CHECK("no error");
  } catch (const Error& error) {
    CHECK_THAT(error.what(), Contains("expected SHA-256 " + first) &&
                                 Contains("recorded at the first download") &&
                                 Contains("fetched.json"));
  }
  CHECK(bytes_of(bench.folder() / "more/b.jsonl") == kLines);  // what was there stays
  fs::remove(bench.folder() / FetchRecord::kName);
  bench.run();
  CHECK(bytes_of(bench.folder() / "more/b.jsonl") == "{\"n\": 7}\n");
  CHECK_FALSE(fs::exists(bench.folder() / "more/deep"));
}

TEST_CASE("hostile and damaged archives leave nothing behind", "[tasks][integration]") {
  Bench bench;
  bench.serve_archive({{"inner/b.jsonl", kLines}, {"../../../up.txt", "x"}});
  CHECK_THAT(bench.failure(), Contains("'../../../up.txt' is refused"));
  test::WrittenMember link{"inner/link"};
  link.symbolic_link = "/etc/passwd";
  bench.serve_archive({{"inner/b.jsonl", kLines}, link});
  CHECK_THAT(bench.failure(), Contains("'inner/link' is refused: it is a symbolic link"));
  const auto whole = bytes_of(bench.scratch / "made.zip");
  bench.server.put("/more.zip", {whole.substr(0, whole.size() - 30)});
  CHECK_THAT(bench.failure(), Contains("expected a whole zip archive"));
  CHECK_FALSE(fs::exists(bench.folder() / "more.zip"));
  CHECK_FALSE(fs::exists(bench.folder() / "more"));
  CHECK_FALSE(fs::exists(bench.scratch / "up.txt"));
  CHECK(FetchRecord(bench.folder()).find("more.zip") == nullptr);
  bench.serve_archive({{"inner/b.jsonl", kLines}});
  CHECK(bench.run().size() == 2);
  CHECK(bench.begun == std::vector<std::string>{"more.zip"});
}

TEST_CASE("without a server the steps by hand are told, and a file put there is taken",
          "[tasks][integration]") {
  Bench bench;
  {
    HttpServer gone;
    for (auto& file : bench.dataset.files) file.urls = {gone.url("/x"), gone.url("/y")};
  }
  const auto message = bench.failure();
  CHECK_THAT(message, Contains("cannot be reached") && Contains("on a machine that has a network"));
  CHECK_THAT(message, Contains(bench.dataset.files[0].urls[1]) &&
                          Contains(*bench.dataset.files[0].sha256) &&
                          Contains("Put these files into " + bench.folder().string()) &&
                          Contains("./lethe fetch set"));
  write_file_atomically(bench.folder() / "a.jsonl", kLines + "x");
  CHECK_THAT(bench.failure(), Contains("is not what is expected") && Contains(sha256_hex(kLines)) &&
                                  Contains("found 19 bytes"));
  CHECK(bytes_of(bench.folder() / "a.jsonl") == kLines + "x");  // a person's file is not removed
  write_file_atomically(bench.folder() / "a.jsonl", kLines);
  fs::copy_file(bench.scratch / "made.zip", bench.folder() / "more.zip");
  const auto fetched = bench.run();
  CHECK(fetched[1].url.empty());
  CHECK(is_fetched(bench.dataset, bench.options.folder));
  CHECK(bytes_of(bench.folder() / "more/b.jsonl") == kLines);
}

TEST_CASE("the steps by hand are told whatever the reason, for what is not here",
          "[tasks][integration]") {
  Bench bench;
  bench.dataset.files[1].urls = {bench.server.url("/nowhere")};
  const auto message = bench.failure();
  CHECK_THAT(message, Contains("answers 404") && Contains("By hand:\n") &&
                          Contains("Put these files into " + bench.folder().string()) &&
                          Contains("more.zip\n    from " + bench.server.url("/nowhere")));
  CHECK(message.find(*bench.dataset.files[0].sha256) == std::string::npos);
  // The answer of a server and the silence of another.
  {
    HttpServer gone;
    bench.dataset.files[1].urls.push_back(gone.url("/x"));
  }
  CHECK_THAT(bench.failure(),
             Contains("answers 404") && Contains("cannot be reached") && Contains("By hand:\n"));
}

TEST_CASE("a second address helps where the first fails", "[tasks][integration]") {
  Bench bench;
  bench.server.put("/other.jsonl", {"wrong\n"});
  auto& urls = bench.dataset.files[0].urls;
  urls = {bench.server.url("/nowhere"), bench.server.url("/other.jsonl"), urls[0]};
  const auto fetched = bench.run();
  CHECK(fetched[0].url == urls[2]);
  urls.pop_back();
  fs::remove(bench.folder() / "a.jsonl");
  CHECK_THAT(bench.failure(), Contains("answers 404") && Contains("expected 18 bytes"));
}

TEST_CASE("one process at a time fetches a data set", "[tasks][integration]") {
  Bench bench;
  fs::create_directories(bench.options.folder);
  {
    const FileLock lock(bench.options.folder / "set.lock", "lethe fetch set --force");
    CHECK_THROWS_WITH(bench.run(), Contains("another process fetches set") &&
                                       Contains("lethe fetch set --force") &&
                                       Contains("pid " + std::to_string(getpid())));
  }
  CHECK(bench.run().size() == 2);
}

TEST_CASE("what is whole needs no lock, and so no folder that can be written",
          "[tasks][integration]") {
  Bench bench;
  bench.run();
  fs::create_directory(bench.options.folder / "set.lock");  // no file can be made there
  CHECK(bench.run().size() == 2);
  CHECK(bench.begun.empty());
  // Of the same size: found by its bytes, then the lock is needed.
  write_file_atomically(bench.folder() / "a.jsonl", "{\"n\": 1}\n{\"n\": 3}\n");
  CHECK_THROWS_WITH(bench.run(), Contains("cannot lock") && Contains("--data"));
  fs::remove(bench.options.folder / "set.lock");
  CHECK(bench.run().size() == 2);
  CHECK(bench.begun == std::vector<std::string>{"a.jsonl"});
  CHECK(bytes_of(bench.folder() / "a.jsonl") == kLines);
}

TEST_CASE("what the catalogue unpacks elsewhere now is not there", "[tasks][integration]") {
  Bench bench;
  bench.run();
  bench.dataset.files[1].unpack->to = "elsewhere";
  CHECK_FALSE(is_fetched(bench.dataset, bench.options.folder));
  bench.run();
  CHECK(bench.begun == std::vector<std::string>{"more.zip"});
  CHECK_THAT(bench.notes.front(), Contains("knows another version of it"));
  CHECK(is_fetched(bench.dataset, bench.options.folder));
  CHECK(bytes_of(bench.folder() / "elsewhere/b.jsonl") == kLines);
}

TEST_CASE("a damaged record is told, and removing it helps", "[tasks][integration]") {
  Bench bench;
  bench.run();
  write_file_atomically(bench.folder() / FetchRecord::kName, "{\"files\": [{");
  CHECK_THAT(bench.failure(), Contains("fetched.json") && Contains("remove it"));
  fs::remove(bench.folder() / FetchRecord::kName);
  CHECK(bench.run().size() == 2);
}

TEST_CASE("an interrupted fetch goes on", "[tasks][integration]") {
  Bench bench;
  bench.stop = true;
  CHECK_THAT(bench.failure(), Contains("interrupted"));
  bench.stop = false;
  CHECK(bench.run().size() == 2);
}

TEST_CASE("files are looked for in the user's folder, then in the cache", "[tasks][unit]") {
  const test::TempDir scratch;
  Dataset dataset;
  dataset.name = "set";
  dataset.files = {{"more.zip", {}, {}, {}, "", UnpackRule{"more", "inner/", 1000}}};
  const auto put = [&](const std::string& path, const std::string& bytes) {
    fs::create_directories((scratch / path).parent_path());
    write_file_atomically(scratch / path, bytes);
    return scratch / path;
  };
  const std::vector<fs::path> folders{scratch / "mine", scratch / "cache"};
  const auto find = [&](const std::string& file) {
    return find_dataset_file(dataset, file, folders);
  };
  CHECK_FALSE(find("a.jsonl"));
  CHECK_THROWS_WITH(dataset_file(dataset, "a.jsonl", folders),
                    Contains("./lethe fetch set") && Contains("--data DIR") &&
                        Contains((scratch / "mine/set").string()));
  const auto cached = put("cache/set/a.jsonl", kLines);
  CHECK(find("a.jsonl") == cached);
  const auto packed = scratch / "mine/set/a.jsonl.xz";
  fs::create_directories(packed.parent_path());
  test::write_compressed(packed, kLines);
  CHECK(find("a.jsonl") == packed);
  const auto own = put("mine/set/a.jsonl", kLines);
  CHECK(find("a.jsonl") == own);

  // The owner's archive as it is.
  test::write_archive(scratch / "cache/set/more.zip", {{"inner/b.jsonl", kLines}});
  const auto member = find("more/b.jsonl");
  REQUIRE(member);
  int records = 0;
  read_records(*member, [&](const json::object&, const std::string&) { ++records; });
  CHECK(records == 2);

  // The folder itself, where it has the data set's name; another's file of the same name is not it.
  CHECK(find_dataset_file(dataset, "a.jsonl", {scratch / "mine/set"}) == own);
  CHECK(find_dataset_file(dataset, "a.jsonl", {scratch / "mine/set/"}) == own);
  // However its owner writes the name, and seen from inside.
  const auto cloned = put("clone/SET/a.jsonl", kLines);
  CHECK(find_dataset_file(dataset, "a.jsonl", {scratch / "clone/SET"}) == cloned);
  CHECK(find_dataset_file(dataset, "a.jsonl", {scratch / "clone/SET/."}) == cloned);
  CHECK_THROWS_WITH(dataset_file(dataset, "b.jsonl", {scratch / "clone/SET"}),
                    Contains("looked in " + (scratch / "clone/SET/set").string() + ", " +
                             (scratch / "clone/SET").string() + ". "));
  put("other/a.jsonl", kLines);
  CHECK_FALSE(find_dataset_file(dataset, "a.jsonl", {scratch / "other"}));
}

TEST_CASE("the shipped catalogue is sound", "[tasks][unit]") {
  const auto catalogue = read_catalogue(test::source_dir() / "data/datasets.json");
  for (const auto* name : {"longbench", "squality", "qasper", "qmsum", "infinitebench", "babi",
                           "babilong", "pg19-test", "choubun"}) {
    const auto& dataset = find_dataset(catalogue, name);
    CAPTURE(name);
    CHECK(dataset.homepage.starts_with("https://"));
    CHECK(dataset.licence.size() > 2);
    for (const auto& file : dataset.files) {
      CHECK((file.sha256 || !file.why_no_sha256.empty()));
      CHECK((!file.unpack || file.unpack->most_bytes >= file.bytes.value_or(0)));
    }
  }
  CHECK(find_dataset(catalogue, "pg19-test").files.size() == 100);
  CHECK_THROWS_WITH(find_dataset(catalogue, "qaspr"), Contains("did you mean 'qasper'?"));
}

TEST_CASE("a wrong catalogue is told by place", "[tasks][unit]") {
  const test::TempDir folder;
  const auto message = [&](const std::string& files) {
    write_file_atomically(folder / "c.json", R"({"datasets": [{"name": "set", "title": "t",
      "homepage": "h", "licence": "l", "files": [)" +
                                                 files + "]}]}");
    try {
      read_catalogue(folder / "c.json");
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::kConfig);
      return std::string(error.what());
    }
    return std::string("(no error)");
  };
  const std::string end = R"("bytes": 5, "sha256": null, "why_no_sha256": "w"})";
  const std::string url = R"("urls": ["https://h/x"], )";
  CHECK(message(R"({"name": "a", )" + url + end) == "(no error)");
  CHECK_THAT(message(R"({"name": "../a", )" + url + end), Contains("plain file name"));
  CHECK_THAT(message(R"({"name": ".hidden", )" + url + end), Contains("plain file name"));
  CHECK_THAT(message(R"({"name": "a", "urls": ["file:///x"], )" + end), Contains("https://"));
  CHECK_THAT(message(R"({"name": "a", "urls": [], )" + end), Contains("manual"));
  CHECK_THAT(message(R"({"name": "a", "urls": ["https://h"], "bytes": 5, "sha256": "AB"})"),
             Contains("64 lower-case hex digits"));
  CHECK_THAT(message(R"({"name": "a", "urls": ["https://h"], "bytes": 5, "sha256": null})"),
             Contains("why_no_sha256"));
  CHECK_THAT(message(R"({"name": "a", )" + url + end + R"(, {"name": "a", )" + url + end),
             Contains("twice"));
  CHECK_THAT(message(R"({"name": "a", "unpack": {"to": "b", "most_bytes": 0}, )" + url + end),
             Contains("more than 0"));
  CHECK_THAT(message(""), Contains("at least one"));
}

TEST_CASE("folders come from --data, the environment and the cache", "[tasks][unit]") {
  const char* before = std::getenv("LETHE_DATA");
  const std::string kept = before ? before : "";
  setenv("LETHE_DATA", "/somewhere/env", 1);
  auto folders = data_folders("given");
  REQUIRE(folders.size() >= 2);
  CHECK(folders[0] == fs::absolute("given"));
  CHECK(folders[1] == "/somewhere/env");
  unsetenv("LETHE_DATA");
  folders = data_folders(std::nullopt);
  REQUIRE(folders.size() == 1);
  CHECK(folders[0] == user_cache_folder() / "data");
  if (before) setenv("LETHE_DATA", kept.c_str(), 1);
}

}  // namespace lethe::tasks
