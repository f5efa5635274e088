// SPDX-License-Identifier: Apache-2.0
#include "tasks/datasets/record_file.h"

#include <array>

#include "harness/base/hash.h"
#include "harness/base/text.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"
#include "tests/support/archive_writer.h"

namespace lethe::tasks {

using Catch::Matchers::Contains;
using Catch::Matchers::EndsWith;
using test::write_archive;
using test::write_compressed;

namespace {

const std::string kLines = "{\"n\": 1, \"text\": \"eins\"}\n{\"n\": 2, \"text\": \"Fluß\"}\n";

struct Read {
  std::vector<json::object> records;
  std::vector<std::string> places;
};

Read read(const std::filesystem::path& file) {
  Read out;
  read_records(file, [&](json::object record, const std::string& where) {
    out.records.push_back(std::move(record));
    out.places.push_back(where);
  });
  return out;
}

/// What goes wrong in a file of this name and content.
std::string message(const std::filesystem::path& file) {
  try {
    read(file);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::kData);
    CHECK_THAT(error.what(), Contains(file.filename().string()));
    return error.what();
  }
  return "(no error)";
}

std::string message(const test::TempDir& folder, const std::string& name,
                    const std::string& bytes) {
  write_file_atomically(folder / name, bytes);
  return message(folder / name);
}

}  // namespace

TEST_CASE("JSON lines are read plain, compressed and from archives", "[tasks][unit]") {
  const test::TempDir folder;
  write_file_atomically(folder / "a.jsonl", kLines);
  write_compressed(folder / "a.jsonl.xz", kLines);
  write_compressed(folder / "a.jsonl.gz", kLines);
  std::vector<std::string> paths{"a.jsonl", "a.jsonl.xz", "a.jsonl.gz"};
  for (const auto* archive : {"b.zip", "b.tar", "b.tar.gz", "b.tgz", "b.tar.xz"}) {
    write_archive(folder / archive, {{"data/"},
                                     {"./data/other.jsonl", "{}\n"},
                                     {"data/a.jsonl", kLines},
                                     {"data/Größe.jsonl", kLines}});
    paths.push_back(archive + std::string("/data/a.jsonl"));
    paths.push_back(archive + std::string("/data/Größe.jsonl"));
  }
  for (const auto& path : paths) {
    CAPTURE(path);
    const auto found = read(folder / path);
    REQUIRE(found.records.size() == 2);
    CHECK(found.records[0].at("n") == 1);
    CHECK(found.records[1].at("text") == "Fluß");
    CHECK_THAT(found.places[1], EndsWith(path + ":2"));
  }
  CHECK(read(folder / "b.tar/data/other.jsonl").records.size() == 1);
  for (const auto& path : paths) CHECK(content_sha256(folder / path) == sha256_hex(kLines));
  write_file_atomically(folder / "mark.jsonl", "\xEF\xBB\xBF" + kLines);
  CHECK(content_sha256(folder / "mark.jsonl") == sha256_hex(kLines));
}

TEST_CASE("only a line feed ends a JSON line", "[tasks][unit]") {
  const test::TempDir folder;
  const std::string text = "a\u0085b\u2028c\u2029d";
  write_file_atomically(folder / "a.jsonl",
                        "\xEF\xBB\xBF{\"text\": \"" + text + "\"}\r\n\n  \n{\"text\": \"last\"}");
  const auto found = read(folder / "a.jsonl");
  REQUIRE(found.records.size() == 2);
  CHECK(found.records[0].at("text").as_string() == text);
  CHECK_THAT(found.places[1], EndsWith("a.jsonl:4"));
}

TEST_CASE("lines longer than any buffer come whole", "[tasks][unit]") {
  const test::TempDir folder;
  std::string lines;
  for (const std::size_t size : {65534, 65535, 65536, 65537, 300000}) {
    lines += "{\"text\": \"" + std::string(size - 13, 'x') + "\"}\n";  // size bytes with "\n"
  }
  write_file_atomically(folder / "a.jsonl", lines);
  write_compressed(folder / "a.jsonl.xz", lines);
  for (const auto* name : {"a.jsonl", "a.jsonl.xz"}) {
    std::size_t bytes = 0;
    for (const auto& record : read(folder / name).records) {
      bytes += record.at("text").as_string().size() + 13;
    }
    CHECK(bytes == lines.size());
  }
}

TEST_CASE("JSON documents give the records that the header names", "[tasks][unit]") {
  const test::TempDir folder;
  write_file_atomically(folder / "list.json", R"( [ {"n": 1, "t": "]},{\"" },
    {"n": 2, "inner": [{"a": {}}, []]} ] )");
  auto found = read(folder / "list.json");
  REQUIRE(found.records.size() == 2);
  CHECK(found.records[0].at("t") == "]},{\"");
  CHECK(found.records[1].at("inner").as_array().size() == 2);
  CHECK_THAT(found.places[1], EndsWith("list.json:2 (record 1)"));
  CHECK_FALSE(found.records[0].contains("_key"));

  write_file_atomically(folder / "papers.json", R"({"1909.1": {"title": "A"},
    "Gr\u00f6\u00dfe": {"title": "B", "_key": "own"}})");
  found = read(folder / "papers.json");
  REQUIRE(found.records.size() == 2);
  CHECK(found.records[0].at("_key") == "1909.1");
  CHECK(found.records[1].at("_key") == "own");
  CHECK_THAT(found.places[1], EndsWith(":2 (record Größe)"));

  write_file_atomically(folder / "splits.json",
                        R"({"dev": [{"n": 1}, {"n": 2}], "none": [], "test": [{"n": 3}]})");
  found = read(folder / "splits.json");
  REQUIRE(found.records.size() == 3);
  CHECK(found.records[1].at("_key") == "dev");
  CHECK(found.records[2].at("_key") == "test");
  CHECK_THAT(found.places[1], EndsWith(":1 (record dev[1])"));
}

TEST_CASE("CSV is read as RFC 4180 has it", "[tasks][unit]") {
  const test::TempDir folder;
  write_file_atomically(folder / "a.csv",
                        "id,\"the, text\",empty\r\n1,\"two\nlines, \"\"quoted\"\"\",\r\n\r\n"
                        "2,plain text,\"\"");
  const auto found = read(folder / "a.csv");
  REQUIRE(found.records.size() == 2);
  CHECK(found.records[0].at("the, text") == "two\nlines, \"quoted\"");
  CHECK(found.records[0].at("empty") == "");
  CHECK(found.records[1].at("id") == "2");
  CHECK(found.records[1].at("empty") == "");
  CHECK_THAT(found.places[1], EndsWith("a.csv:5"));
}

TEST_CASE("damaged records are refused with file and line", "[tasks][unit]") {
  const test::TempDir folder;
  const auto at = [&](const std::string& name, const std::string& bytes) {
    return message(folder, name, bytes);
  };
  CHECK_THAT(at("a.jsonl", "{}\n{\"a\": \"caf\xe9\"}\n"), Contains(":2 is not UTF-8: byte 10"));
  CHECK_THAT(at("b.jsonl", "{}\n{\"a\": tru"), Contains(":2:1:") && Contains("get it again"));
  CHECK_THAT(at("c.jsonl", std::string("{}\n{\"a\": \"\0\"}\n", 15)),
             Contains(":2:") && Contains("NUL"));
  CHECK_THAT(at("d.jsonl", "{}\n[1]\n"), Contains(":2: expected an object, found an array"));
  CHECK_THAT(at("e.jsonl", "{} {}\n"), Contains(":1:1:4: not valid JSON"));
  CHECK_THAT(at("f.jsonl", "\n \n"), Contains("expected records, found none"));
  CHECK_THAT(at("g.jsonl", ""), Contains("expected records, found none"));

  CHECK_THAT(at("a.json", "[{}, {}\n"),
             Contains(":2: expected ',' or ']'") && Contains("the end of the file"));
  CHECK_THAT(at("b.json", "[{},\n{\"a\": [1, 2}"), Contains(":2: expected the end of a record"));
  CHECK_THAT(at("c.json", "[{}, 5]"), Contains(":1: expected an object as record 1, found '5'"));
  CHECK_THAT(at("d.json", "[{}] x"), Contains(":1: expected the end of the file, found 'x'"));
  CHECK_THAT(at("e.json", "[{},]"), Contains("found ']'"));
  CHECK_THAT(at("f.json", "{\"title\": \"x\"}"), Contains("found '\"'"));
  CHECK_THAT(at("g.json", "{\"a\": {\"b\": }}"), Contains(":1 (record a):1:7: not valid JSON"));
  CHECK_THAT(at("h.json", "\"text\""), Contains("expected a list or an object"));
  CHECK_THAT(at("i.json", "[{\"a\": \"caf\xe9\"}]"), Contains("(record 0) is not UTF-8"));
  CHECK_THAT(at("j.json", "[]"), Contains("expected records, found none"));
  CHECK_THAT(at("k.json", "{\"caf\xe9\": {}}"), Contains(":1 is not UTF-8"));
  CHECK_THAT(at("l.json", "[{\"a\": \"b"), Contains("closing quote"));

  CHECK_THAT(at("a.csv", "a,b\n1,2\n3\n"),
             Contains(":3: expected 2 fields") && Contains("found 1"));
  CHECK_THAT(at("b.csv", "a,b\n1,\"2\n"), Contains(":2: a quoted field is never closed"));
  CHECK_THAT(at("c.csv", "a,b\n1,x\"y\n"), Contains(":2: found a quote inside"));
  CHECK_THAT(at("d.csv", "a,b\n1,\"x\"y\n"), Contains(":2: expected a comma"));
  CHECK_THAT(at("e.csv", "a,a\n1,2\n"), Contains("found 'a' twice"));
  CHECK_THAT(at("f.csv", "a,\n1,2\n"), Contains("found an empty one"));
  CHECK_THAT(at("g.csv", "a,b\n1,caf\xe9\n"), Contains(":2 is not UTF-8"));
  CHECK_THAT(at("h.csv", "a,b\n"), Contains("expected records, found none"));
  CHECK_THAT(at("i.csv", ""), Contains("expected a line of names"));
  CHECK_THAT(at("a.txt", "text"), Contains(".jsonl, .json or .csv"));
}

TEST_CASE("damaged, mislabelled and wrongly named archives are refused", "[tasks][unit]") {
  const test::TempDir folder;
  CHECK_THAT(message(folder / "nowhere.jsonl"), Contains("no such file"));
  CHECK_THAT(message(folder / "no/where.jsonl"), Contains("no such file"));
  std::filesystem::create_directory(folder / "folder.jsonl");
  CHECK_THAT(message(folder / "folder.jsonl"), Contains("found a folder"));

  // Random digits, so that the compressed files are longer than what libarchive reads at once.
  std::string lines;
  std::uint32_t state = 1;
  for (int i = 0; i < 40000; ++i) {
    state = state * 1664525U + 1013904223U;
    lines += "{\"n\": " + std::to_string(state) + "}\n";
  }
  const std::array<std::string, 6> names{"c.jsonl.xz", "c.jsonl.gz", "c.zip",
                                         "c.tar.gz",   "c.tar.xz",   "c.tar"};
  for (const auto& name : names) {
    CAPTURE(name);
    const bool archive = name.find("jsonl") == std::string::npos;
    if (archive) {
      write_archive(folder / name, {{"a.jsonl", lines}});
    } else {
      write_compressed(folder / name, lines);
    }
    const auto path = archive ? folder / name / "a.jsonl" : folder / name;
    CHECK(read(path).records.size() == 40000);
    const auto whole = read_file(folder / name, ErrorKind::kData);
    REQUIRE(whole.size() > 100000);
    for (const std::size_t size : {whole.size() / 2, whole.size() / 10, std::size_t{3}}) {
      write_file_atomically(folder / name, std::string_view(whole).substr(0, size));
      CHECK_THROWS_WITH(read(path), Contains(name) && Contains("expected a whole"));
    }
    auto damaged = whole;
    for (std::size_t i = 0; i < 64; ++i) damaged[whole.size() / 2 + i] ^= 0x55;
    write_file_atomically(folder / name, damaged);
    CHECK_THROWS_AS(read(path), Error);
    write_file_atomically(folder / name, lines);
    CHECK_THROWS_WITH(read(path), Contains(name) && Contains("expected a whole"));
    write_file_atomically(folder / name, "");
    CHECK_THROWS_WITH(read(path), Contains(name));
  }
  write_archive(
      folder / "d.zip",
      {{"data/a.jsonl", kLines}, {"data/b.jsonl.gz", kLines}, {"data/link.jsonl", "", "a.jsonl"}});
  CHECK_THAT(message(folder / "d.zip/data/b.jsonl"), Contains("did you mean 'data/a.jsonl'?"));
  CHECK_THAT(message(folder / "d.zip"), Contains("name a member") && Contains("data/b.jsonl.gz"));
  CHECK_THAT(message(folder / "d.zip/data/b.jsonl.gz"), Contains("unpack the archive first"));
  CHECK_THAT(message(folder / "d.zip/data/link.jsonl"), Contains("link or device"));
  write_file_atomically(folder / "plain.jsonl", kLines);
  CHECK_THROWS_WITH(read(folder / "plain.jsonl/a.jsonl"), Contains("is no archive"));
}

TEST_CASE("what the user of a record throws passes through", "[tasks][unit]") {
  const test::TempDir folder;
  write_file_atomically(folder / "a.jsonl", kLines);
  int seen = 0;
  CHECK_THROWS_WITH(read_records(folder / "a.jsonl",
                                 [&](const json::object&, const std::string& where) {
                                   ++seen;
                                   throw Error(ErrorKind::kData, where + ": no 'context'");
                                 }),
                    EndsWith("a.jsonl:1: no 'context'"));
  CHECK(seen == 1);
}

}  // namespace lethe::tasks
