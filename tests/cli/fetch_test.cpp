// SPDX-License-Identifier: Apache-2.0
// lethe fetch as a program, against a server on the loopback interface.
#include <filesystem>

#include "harness/base/hash.h"
#include "harness/base/json.h"
#include "harness/base/text.h"
#include "tests/cli/program.h"
#include "tests/support/archive_writer.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"
#include "tests/support/http_server.h"

namespace lethe::test {

using Catch::Matchers::Contains;
namespace fs = std::filesystem;

namespace {

json::object entry(const std::string& name, const std::string& file, const std::string& url,
                   const std::string& bytes) {
  return {{"name", name},
          {"title", "a set of the test"},
          {"homepage", "https://owner.example/" + name},
          {"licence", "CC BY 4.0"},
          {"files",
           {{{"name", file},
             {"urls", {url}},
             {"bytes", bytes.size()},
             {"sha256", sha256_hex(bytes)}}}}};
}

/// A catalogue catalogue.json of these data sets in a folder.
void write_catalogue(const TempDir& folder, const json::array& datasets) {
  write_file_atomically(folder / "catalogue.json",
                        json::serialize(json::object{{"datasets", datasets}}));
}

const std::string kFetch = "lethe fetch --catalogue catalogue.json --data mine ";

}  // namespace

TEST_CASE("lethe fetch shows the licence, fetches, and says what it did", "[cli][integration]") {
  const TempDir folder;
  HttpServer server;
  const std::string lines = "{\"n\": 1}\n";
  server.put("/a.jsonl", {lines});
  write_catalogue(folder, {entry("small", "a.jsonl", server.url("/a.jsonl"), lines),
                           entry("gone", "b.jsonl", server.url("/b.jsonl"), lines)});
  const auto outcome = shell(kFetch + "small", folder.path());
  CAPTURE(outcome.err);
  CHECK(outcome.code == 0);
  CHECK(outcome.out.empty());
  CHECK_THAT(outcome.err, Contains("licence: CC BY 4.0") && Contains("9 B in 1 file") &&
                              Contains("small is there: "));
  CHECK(outcome.err.find("licence") < outcome.err.find("a.jsonl"));
  CHECK(read_file(folder / "mine/small/a.jsonl", ErrorKind::kData) == lines);

  SECTION("a second time nothing is fetched") {
    CHECK(shell(kFetch + "small", folder.path()).code == 0);
    CHECK(server.requests().size() == 1);
    CHECK(shell(kFetch + "small --force", folder.path()).code == 0);
    CHECK(server.requests().size() == 2);
  }
  SECTION("one that fails does not keep the others, and the exit code says so") {
    const auto both = shell(kFetch + "--json gone small", folder.path());
    CHECK(both.code == 2);
    CHECK_THAT(both.err, Contains("lethe: error: gone: ") && Contains("answers 404"));
    const auto results = parse_json(both.out, "output", ErrorKind::kData);
    CHECK(results.at(0).at("state") == "failed");
    CHECK_THAT(std::string(results.at(0).at("error").as_string()), Contains("404"));
    CHECK(results.at(1).at("state") == "present");
    CHECK(results.at(1).at("files").at(0).at("sha256").as_string() == sha256_hex(lines));
  }
  SECTION("the list says what is here") {
    const auto text = shell(kFetch + "--list", folder.path());
    CHECK(text.code == 0);
    CHECK_THAT(text.out, Contains("present: ") && Contains("missing; would go to "));
    const auto rows =
        parse_json(shell(kFetch + "--list --json", folder.path()).out, "list", ErrorKind::kData);
    CHECK(rows.at(0).at("present") == true);
    CHECK(rows.at(1).at("present") == false);
    CHECK(rows.at(1).at("files").at(0).at("bytes") == 9);
  }
  SECTION("names are checked before anything is fetched") {
    const auto slip = shell(kFetch + "small gnoe", folder.path());
    CHECK(slip.code == 2);
    CHECK_THAT(slip.err, Contains("did you mean 'gone'?"));
    CHECK(server.requests().size() == 1);
    CHECK(shell(kFetch, folder.path()).code == 2);
  }
}

TEST_CASE("Ctrl-C keeps the part, and the same command goes on", "[cli][integration]") {
  const TempDir folder;
  HttpServer server;
  std::string bytes;
  for (int i = 0; i < 60000; ++i) bytes += "{\"n\": " + std::to_string(i) + "}\n";
  HttpFile slow{bytes};
  slow.pause_ms = 20;
  server.put("/a.jsonl", slow);
  write_catalogue(folder, {entry("slow", "a.jsonl", server.url("/a.jsonl"), bytes)});
  const auto part = folder / "mine/slow/a.jsonl.part";
  // exec, so that the signal reaches the program and not a shell around it.
  const auto stopped =
      shell("(exec " + kFetch +
                "slow) & p=$!; until [ -s mine/slow/a.jsonl.part ]; do sleep 0.05; "
                "done; kill -INT $p; wait $p",
            folder.path());
  CAPTURE(stopped.err);
  CHECK(stopped.code == 130);
  CHECK_THAT(stopped.err, Contains("interrupted") && Contains("are kept"));
  REQUIRE(fs::exists(part));
  CHECK_FALSE(fs::exists(folder / "mine/slow/a.jsonl"));
  server.put("/a.jsonl", {bytes});
  const auto again = shell(kFetch + "slow", folder.path());
  CHECK(again.code == 0);
  CHECK_THAT(again.err, Contains("going on at"));
  CHECK(read_file(folder / "mine/slow/a.jsonl", ErrorKind::kData) == bytes);
}

TEST_CASE("a full disk is told", "[cli][integration]") {
  const TempDir folder;
  HttpServer server;
  const std::string bytes(200000, 'x');
  server.put("/a.jsonl", {bytes});
  write_catalogue(folder, {entry("big", "a.jsonl", server.url("/a.jsonl"), bytes)});
  const auto full = shell("(trap '' XFSZ; ulimit -f 100; " + kFetch + "big)", folder.path());
  CAPTURE(full.err);
  CHECK(full.code == 1);
  CHECK_THAT(full.err, Contains("cannot write ") && Contains("make room"));
  CHECK_FALSE(fs::exists(folder / "mine/big/a.jsonl"));
  CHECK(shell(kFetch + "big", folder.path()).code == 0);
  CHECK(read_file(folder / "mine/big/a.jsonl", ErrorKind::kData) == bytes);
}

TEST_CASE("two commands at once: one fetches, the other is told by whom", "[cli][integration]") {
  const TempDir folder;
  HttpServer server;
  const std::string bytes(100000, 'x');
  HttpFile slow{bytes};
  slow.pause_ms = 40;
  server.put("/a.jsonl", slow);
  write_catalogue(folder, {entry("slow", "a.jsonl", server.url("/a.jsonl"), bytes)});
  const auto both = shell("(exec " + kFetch +
                              "slow) 2>first & p=$!; until [ -s mine/slow/a.jsonl.part ]; do sleep "
                              "0.05; done; " +
                              kFetch + "slow; echo second $?; wait $p; echo first $?",
                          folder.path());
  CAPTURE(both.err, both.out);
  CHECK(both.out == "second 2\nfirst 0\n");
  CHECK_THAT(both.err, Contains("another process fetches slow") && Contains("pid "));
  CHECK(read_file(folder / "mine/slow/a.jsonl", ErrorKind::kData) == bytes);
}

TEST_CASE("without a server the steps by hand are printed", "[cli][integration]") {
  const TempDir folder;
  std::string url;
  {
    HttpServer gone;
    url = gone.url("/a.jsonl");
  }
  write_catalogue(folder, {entry("far", "a.jsonl", url, "x")});
  const auto outcome =
      shell("LETHE_DATA=$PWD/env lethe fetch --catalogue catalogue.json far", folder.path());
  CHECK(outcome.code == 2);
  CHECK_THAT(outcome.err, Contains("cannot be reached") && Contains("from " + url) &&
                              Contains(sha256_hex("x")) &&
                              Contains("Put these files into " + (folder / "env/far").string()));
}

}  // namespace lethe::test
