// SPDX-License-Identifier: Apache-2.0
#include "tasks/datasets/download.h"

#include <chrono>
#include <cstdlib>
#include <memory>

#include "harness/base/hash.h"
#include "harness/base/text.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"
#include "tests/support/http_server.h"

namespace lethe::tasks {

using Catch::Matchers::Contains;
using test::HttpFile;
using test::HttpServer;
namespace fs = std::filesystem;

namespace {

/// Bytes that differ at every place, so that a wrongly joined file has another checksum.
std::string some_bytes(std::size_t size, std::uint32_t seed = 1) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) {
    seed = seed * 1664525U + 1013904223U;
    byte = static_cast<char>(seed >> 24);
  }
  return bytes;
}

/// One download into a folder of its own.
struct Bench {
  test::TempDir folder;
  HttpServer server;
  DownloadRequest request;
  std::vector<std::string> notes;
  std::vector<std::int64_t> seen;
  std::optional<std::int64_t> stop_at;
  std::function<void(const std::string&)> on_note = [](const std::string&) {};
  DownloadPatience patience{3, 0.01, 5, 5};

  explicit Bench(HttpFile file) {
    request.url = server.url("/data.bin");
    request.target = folder / "data.bin";
    request.sha256_source = "the test";
    server.put("/data.bin", std::move(file));
  }
  std::string run() {
    DownloadHooks hooks;
    hooks.progress = [&](std::int64_t done, std::optional<std::int64_t>) { seen.push_back(done); };
    hooks.note = [&](const std::string& text) {
      notes.push_back(text);
      on_note(text);
    };
    hooks.interrupted = [&] { return stop_at && !seen.empty() && seen.back() >= *stop_at; };
    return download(request, hooks, patience);
  }
  ErrorKind failure(const std::string& part) {
    try {
      run();
    } catch (const Error& error) {
      CHECK_THAT(error.what(), Contains(part));
      CHECK_FALSE(fs::exists(request.target));
      return error.kind();
    }
    FAIL_CHECK("no error");
    return ErrorKind::kInternal;
  }
  std::string target() const { return read_file(request.target, ErrorKind::kData); }
  bool part_left() const { return fs::exists(part_path(request.target)); }
};

}  // namespace

TEST_CASE("a whole download is checked and leaves nothing beside it", "[tasks][integration]") {
  const auto bytes = some_bytes(300000);
  for (const bool chunked : {false, true}) {
    Bench bench({bytes, "\"v1\"", true, true, chunked});
    bench.request.bytes = 300000;
    bench.request.sha256 = sha256_hex(bytes);
    CHECK(bench.run() == sha256_hex(bytes));
    CHECK(bench.target() == bytes);
    CHECK(bench.seen.back() == 300000);
    CHECK(std::distance(fs::directory_iterator(bench.folder.path()), {}) == 1);
    CHECK(bench.server.requests().size() == 1);
    CHECK(bench.server.requests()[0].headers.count("range") == 0);
  }
}

TEST_CASE("a redirect is followed", "[tasks][integration]") {
  const auto bytes = some_bytes(5000);
  Bench bench({"gone there", "\"hop\"", false, true, false, 302, "/elsewhere"});
  HttpFile there{bytes};
  there.cut_after = 2000;
  bench.server.put("/elsewhere", there);
  CHECK(bench.run() == sha256_hex(bytes));
  CHECK(bench.target() == bytes);
  // The second try names what the last server said, not the first.
  CHECK(bench.server.requests().back().headers.at("if-range") == "\"v1\"");
}

TEST_CASE("a connection that breaks is taken up again", "[tasks][integration]") {
  const auto bytes = some_bytes(200000);
  HttpFile file{bytes};
  file.cut_after = 60000;
  file.cuts = 3;
  file.refusals = 1;
  Bench bench(file);
  CHECK(bench.run() == sha256_hex(bytes));
  CHECK(bench.target() == bytes);
  const auto requests = bench.server.requests();
  REQUIRE(requests.size() == 5);
  CHECK(requests[2].headers.at("range") == "bytes=60000-");
  CHECK(requests[2].headers.at("if-range") == "\"v1\"");
  CHECK(requests[3].headers.at("range") == "bytes=120000-");
}

TEST_CASE("chunks that break off are told from their end", "[tasks][integration]") {
  const auto bytes = some_bytes(50000);
  HttpFile file{bytes, "\"v1\"", true, false, true};
  file.cut_after = 20000;
  Bench bench(file);
  CHECK(bench.run() == sha256_hex(bytes));
  CHECK(bench.server.requests().size() == 2);
}

TEST_CASE("an interrupted download goes on in the next run", "[tasks][integration]") {
  const auto bytes = some_bytes(400000);
  HttpFile file{bytes};
  file.pause_ms = 1;
  Bench bench(file);
  bench.stop_at = 100000;
  CHECK(bench.failure("are kept") == ErrorKind::kInterrupted);
  CHECK(bench.part_left());
  const auto kept = fs::file_size(part_path(bench.request.target));
  CHECK(kept >= 100000);
  CHECK(kept < 400000);
  bench.stop_at.reset();
  CHECK(bench.run() == sha256_hex(bytes));
  CHECK(bench.server.requests()[1].headers.at("range") == "bytes=" + std::to_string(kept) + "-");
  CHECK_THAT(bench.notes.back(), Contains("going on at"));
}

TEST_CASE("a file that changed between the parts comes anew", "[tasks][integration]") {
  const auto before = some_bytes(100000, 1), after = some_bytes(100000, 2);
  for (const bool ranges : {true, false}) {
    HttpFile file{before};
    file.cut_after = 40000;
    file.cuts = 9;
    Bench bench(file);
    bench.patience.tries = 1;
    CHECK(bench.failure("are kept") == ErrorKind::kData);
    REQUIRE(bench.part_left());
    bench.server.put("/data.bin", {after, "\"v2\"", ranges});
    CHECK(bench.run() == sha256_hex(after));
    CHECK(bench.target() == after);
    CHECK_THAT(bench.notes.back(), Contains("beginning anew"));
  }
}

TEST_CASE("a server that goes on with another file is found out", "[tasks][integration]") {
  const auto before = some_bytes(100000, 1);
  // Of the same length, known by the validator alone; and of another one.
  for (const auto& after : {some_bytes(100000, 2), some_bytes(120000, 2)}) {
    HttpFile file{before};
    file.cut_after = 40000;
    file.cuts = 9;
    Bench bench(file);
    bench.patience.tries = 1;
    CHECK(bench.failure("are kept") == ErrorKind::kData);
    HttpFile changed{after, "\"v2\""};
    changed.if_range = false;
    bench.server.put("/data.bin", changed);
    bench.patience.tries = 3;
    CHECK(bench.run() == sha256_hex(after));
    CHECK(bench.target() == after);
  }
}

TEST_CASE("a part that names no validator is judged by its length, in a later run, too",
          "[tasks][integration]") {
  const auto before = some_bytes(100000, 1), after = some_bytes(120000, 2);
  HttpFile file{before};
  file.cut_after = 40000;
  file.cuts = 9;
  Bench bench(file);
  bench.patience.tries = 1;
  bench.failure("are kept");
  HttpFile changed{after, ""};
  changed.if_range = false;
  bench.server.put("/data.bin", changed);
  bench.patience.tries = 3;
  CHECK(bench.run() == sha256_hex(after));
  CHECK(bench.target() == after);
}

TEST_CASE("a file that changes at every try is given up", "[tasks][integration]") {
  std::uint32_t version = 1;
  const auto next = [&] {
    HttpFile file{some_bytes(100000, version), "\"v" + std::to_string(version) + "\""};
    file.cut_after = 40000;
    file.cuts = 9;
    file.if_range = false;
    ++version;
    return file;
  };
  Bench bench(next());
  bench.on_note = [&](const std::string& text) {
    if (bench.notes.size() > 40) bench.stop_at = 0;
    if (text.ends_with("trying again")) bench.server.put("/data.bin", next());
  };
  CHECK(bench.failure("changes again and again") == ErrorKind::kData);
  CHECK(bench.server.requests().size() == 6);
}

TEST_CASE("a part without a validator is not gone on with, unless a checksum judges it",
          "[tasks][integration]") {
  const auto bytes = some_bytes(90000);
  for (const bool known : {false, true}) {
    for (const auto* etag : {"", "W/\"weak\""}) {
      HttpFile file{bytes, etag};
      file.cut_after = 30000;
      file.cuts = 1;
      Bench bench(file);
      bench.patience.tries = 1;
      if (known) bench.request.sha256 = sha256_hex(bytes);
      CHECK(bench.failure(known ? "are kept" : "begins anew") == ErrorKind::kData);
      CHECK(bench.run() == sha256_hex(bytes));
      CHECK(bench.server.requests().back().headers.count("range") == (known ? 1 : 0));
    }
  }
}

TEST_CASE("a try without a validator begins anew, too", "[tasks][integration]") {
  const auto bytes = some_bytes(90000);
  HttpFile file{bytes, ""};
  file.cut_after = 30000;
  file.cuts = 1;
  Bench bench(file);
  CHECK(bench.run() == sha256_hex(bytes));
  REQUIRE(bench.server.requests().size() == 2);
  CHECK(bench.server.requests()[1].headers.count("range") == 0);
}

TEST_CASE("a part that has every byte, or too many, is judged", "[tasks][integration]") {
  const auto bytes = some_bytes(10000);
  Bench bench({bytes});
  const auto leave = [&](const std::string& part, const std::string& etag) {
    fs::remove(bench.request.target);
    write_file_atomically(part_path(bench.request.target), part);
    write_file_atomically(
        bench.request.target.string() + ".part.json",
        R"({"url": ")" + bench.request.url + R"(", "validator": "\")" + etag + R"(\""})");
  };
  leave(bytes, "v1");
  CHECK(bench.run() == sha256_hex(bytes));  // 416 with the same length
  leave(bytes + "more", "v1");
  CHECK(bench.run() == sha256_hex(bytes));  // 416 with another
  CHECK(bench.target() == bytes);
  leave(some_bytes(5000, 9), "v1");  // bytes that somebody changed
  bench.request.sha256 = sha256_hex(bytes);
  CHECK(bench.failure("expected SHA-256 " + sha256_hex(bytes)) == ErrorKind::kData);
  CHECK_FALSE(bench.part_left());
  CHECK(bench.run() == sha256_hex(bytes));
}

TEST_CASE("wrong sizes and checksums are refused and leave nothing", "[tasks][integration]") {
  const auto bytes = some_bytes(20000);
  Bench bench({bytes});
  bench.request.sha256 = std::string(64, '0');
  bench.failure("expected SHA-256 " + std::string(64, '0') + " (the test), found " +
                sha256_hex(bytes) + " (20,000 bytes)");
  CHECK_FALSE(bench.part_left());
  bench.request.sha256.reset();
  bench.request.bytes = 30000;
  bench.failure("expected 30,000 bytes, the server has 20,000");
  bench.request.bytes = 10000;
  bench.failure("expected 10,000 bytes, the server has 20,000");
  bench.server.put("/data.bin", {bytes, "", true, false, true});
  bench.failure("expected 10,000 bytes, the server sends more");
  bench.request.bytes = 30000;
  bench.failure("expected 30,000 bytes, found 20,000");
  CHECK_FALSE(bench.part_left());
}

TEST_CASE("an answer without an end that could be told is refused", "[tasks][integration]") {
  const auto bytes = some_bytes(20000);
  Bench bench({bytes, "\"v1\"", true, false, false});
  bench.failure("does not say how long");
  bench.request.sha256 = sha256_hex(bytes);
  CHECK(bench.run() == sha256_hex(bytes));
  bench.server.put("/data.bin", {"", "\"v1\""});
  fs::remove(bench.request.target);
  bench.failure("sends no bytes");
}

TEST_CASE("refusals of the server are told by number", "[tasks][integration]") {
  for (const int status : {403, 404, 410}) {
    Bench bench({"the page of the error", "", false, true, false, status});
    CHECK(bench.failure("answers " + std::to_string(status)) == ErrorKind::kData);
    CHECK(bench.server.requests().size() == 1);
  }
  Bench bench({"busy", "", false, true, false, 503});
  bench.failure("answers 503");
  CHECK(bench.server.requests().size() == 3);
  CHECK(fs::file_size(part_path(bench.request.target)) == 0);
}

TEST_CASE("a server that is not there is unreachable at once", "[tasks][integration]") {
  Bench bench({"x"});
  {
    HttpServer gone;
    bench.request.url = gone.url("/data.bin");
  }
  CHECK_THROWS_AS(bench.run(), Unreachable);
  bench.request.url = "http://no-such-host.invalid/data.bin";
  CHECK_THROWS_AS(bench.run(), Unreachable);
}

TEST_CASE("a network that is away after bytes have come is a broken connection",
          "[tasks][integration]") {
  HttpFile file{some_bytes(100000)};
  file.cut_after = 40000;
  Bench bench(file);
  auto server = std::make_unique<HttpServer>();
  server->put("/data.bin", file);
  bench.request.url = server->url("/data.bin");
  bench.on_note = [&](const std::string&) { server.reset(); };
  try {
    bench.run();
    FAIL_CHECK("no error");
  } catch (const Unreachable& error) {
    FAIL_CHECK(error.what());
  } catch (const Error& error) {
    CHECK_THAT(error.what(), Contains("cannot be reached") && Contains("39.1 KiB are kept"));
  }
  CHECK(bench.notes.size() == 2);
  // Nothing comes in this run; what an earlier one brought is told.
  CHECK_THROWS_AS(bench.run(), Unreachable);
  CHECK_THROWS_WITH(bench.run(), Contains("39.1 KiB are kept"));
}

TEST_CASE("a busy server is not asked before the time that it names", "[tasks][integration]") {
  const auto bytes = some_bytes(5000);
  HttpFile file{bytes};
  file.refusals = 1;
  file.retry_after = "1";
  Bench bench(file);
  const auto before = std::chrono::steady_clock::now();
  CHECK(bench.run() == sha256_hex(bytes));
  CHECK(std::chrono::steady_clock::now() - before >= std::chrono::seconds(1));
  file.retry_after = "7200";
  bench.server.put("/data.bin", file);
  fs::remove(bench.request.target);
  bench.failure("answers 503 and asks to be left alone for 2 h 00 m");
  CHECK(bench.server.requests().size() == 3);
}

TEST_CASE("a proxy that refuses the way is not asked again", "[tasks][integration]") {
  Bench bench({"x"});
  HttpServer proxy;
  const auto refuse = [&](int status) {
    proxy.put("owner.example:443", {"", "", false, true, false, status});
  };
  bench.request.url = "https://owner.example/data.bin";
  setenv("https_proxy", proxy.url("").c_str(), 1);
  for (const int status : {403, 407, 502}) {
    refuse(status);
    CHECK_THROWS_AS(bench.run(), Unreachable);
    CHECK_THROWS_WITH(bench.run(), Contains("proxy answers " + std::to_string(status)));
  }
  unsetenv("https_proxy");
  CHECK(proxy.requests().size() == 6);
}

TEST_CASE("a connection that stands still is given up and taken up", "[tasks][integration]") {
  const auto bytes = some_bytes(12000);
  HttpFile file{bytes};
  file.pause_ms = 60000;
  Bench bench(file);
  bench.patience = {1, 0.01, 5, 1};
  CHECK(bench.failure("stands still") == ErrorKind::kData);
  CHECK(fs::file_size(part_path(bench.request.target)) == 4096);
}

}  // namespace lethe::tasks
