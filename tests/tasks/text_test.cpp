// SPDX-License-Identifier: Apache-2.0
#include "tasks/text.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "harness/base/error.h"
#include "harness/base/text.h"
#include "tasks/pg19.h"
#include "tasks/registry.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"
#include "tests/tasks/fake_model.h"

namespace lethe::tasks {

using Catch::Matchers::Contains;
using test::ByteTokenizer;
using test::FormulaModel;

namespace {

/// Three texts of 10, 7 and 4 bytes, also as two folders of books, and a cache folder of its own.
struct Desk {
  test::TempDir folder;

  Desk() {
    for (const auto* books : {"shelf", "more"}) {
      std::filesystem::create_directory(folder / books);
    }
    put("a.txt", "abcdefghij");
    put("b.txt", "klmnopq");
    put("c.txt", "rstu");
    put("shelf/10.txt", "klmnopq");
    put("shelf/9.txt", "abcdefghij");
    put("more/1.txt", "rstu");
    setenv("XDG_CACHE_HOME", (folder / "cache").c_str(), 1);
  }

  void put(const std::string& name, const std::string& text) const {
    write_file_atomically(folder / name, text);
  }

  /// Paths are relative: there is none of them in the current folder.
  TextTask task(std::int64_t length, json::object options = {}) const {
    if (!options.contains("data") && !options.contains("files")) {
      options["files"] = {"a.txt", "b.txt", "c.txt"};
    }
    return {TextOptions::parse(options, folder.path()), length};
  }
};

std::string text_of(const std::vector<std::int64_t>& ids) {
  return {ids.begin(), ids.end()};
}

/// The texts of all windows, one after the other.
std::vector<std::string> windows_of(const WindowTask& task, const ByteTokenizer& tokenizer) {
  std::vector<std::string> out;
  for (const auto& sample : task.samples(tokenizer)) {
    out.push_back(text_of(task.window(sample.id, tokenizer)));
  }
  return out;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("windows tile the stream across the borders of its texts", "[tasks][unit]") {
  const Desk desk;
  const ByteTokenizer tokenizer;
  CHECK(windows_of(desk.task(8), tokenizer) == Texts{"abcdefgh", "ijklmnop"});
  CHECK(windows_of(desk.task(3), tokenizer) ==
        Texts{"abc", "def", "ghi", "jkl", "mno", "pqr", "stu"});
  CHECK(windows_of(desk.task(21), tokenizer) == Texts{"abcdefghijklmnopqrstu"});
  CHECK(windows_of(desk.task(6, {{"start", 9}, {"stride", 5}, {"windows", 2}}), tokenizer) ==
        Texts{"jklmno", "opqrst"});
  const auto samples = desk.task(8).samples(tokenizer);
  CHECK(samples[1].id == "stream/1");
  CHECK(samples[0].cluster == samples[1].cluster);
}

TEST_CASE("the stream of one book has the windows of the book", "[tasks][unit]") {
  const Desk desk;
  const ByteTokenizer with_bos(true, "bytes with bos");
  const auto data = (desk.folder / "shelf").string();
  for (const auto* bos : {"auto", "never", "window"}) {
    CAPTURE(bos);
    const json::object options{
        {"data", data}, {"books", json::array{"9"}}, {"bos", bos}, {"stride", 2}};
    const Pg19Task book(Pg19Options::parse(options, desk.folder.path()), 4);
    const auto stream = desk.task(4, options);
    const auto samples = stream.samples(with_bos);
    REQUIRE(samples.size() == book.samples(with_bos).size());
    for (std::size_t i = 0; i < samples.size(); ++i) {
      const std::string number = std::to_string(i);
      CHECK(stream.window("stream/" + number, with_bos) == book.window("9/" + number, with_bos));
      CHECK(samples[i].hash != book.samples(with_bos)[i].hash);
    }
  }
}

TEST_CASE("BOS stands at the head of the stream, not of its texts", "[tasks][unit]") {
  const Desk desk;
  const ByteTokenizer with_bos(true, "bytes with bos");
  const FormulaModel model;
  const auto automatic = desk.task(11);
  CHECK(automatic.window("stream/0", with_bos).front() == 299);
  CHECK(text_of(automatic.window("stream/1", with_bos)) == "klmnopqrstu");
  CHECK(automatic.run("stream/0", with_bos, model, {}).bos_count == 1);
  CHECK(automatic.run("stream/1", with_bos, model, {}).bos_count == 0);
  CHECK(text_of(model.seen) == "klmnopqrstu");
}

TEST_CASE("folders of books follow one another in the order given", "[tasks][unit]") {
  const Desk desk;
  const ByteTokenizer tokenizer;
  const json::array both{"shelf", "more"};
  CHECK(windows_of(desk.task(7, {{"data", both}}), tokenizer) ==
        Texts{"abcdefg", "hijklmn", "opqrstu"});
  CHECK(windows_of(desk.task(7, {{"data", json::array{"more", "shelf"}}}), tokenizer).front() ==
        "rstuabc");
  CHECK(windows_of(desk.task(7, {{"data", both}, {"books", json::array{"10", 1}}}), tokenizer) ==
        Texts{"klmnopq"});
  CHECK(windows_of(desk.task(7, {{"data", "shelf"}}), tokenizer).size() == 2);
}

TEST_CASE("order, bytes, window and kind of a stream change identity and hashes", "[tasks][unit]") {
  const Desk desk;
  const ByteTokenizer tokenizer;
  const std::vector<json::object> variants{
      {},
      {{"files", {"b.txt", "a.txt", "c.txt"}}},
      {{"files", {"a.txt", "b.txt"}}},
      {{"windows", 1}},
      {{"stride", 3}},
      {{"start", 1}},
      {{"bos", "never"}},
      {{"data", json::array{"shelf", "more"}}},
  };
  std::set<std::string> identities;
  for (const auto& options : variants) {
    identities.insert(canonical_json(desk.task(6, options).identity()));
  }
  CHECK(identities.size() == variants.size());
  CHECK(desk.task(6).identity() == desk.task(6, {{"tail", "drop"}, {"stride", 6}}).identity());

  const auto hash = [&](const json::object& options) {
    return desk.task(6, options).samples(tokenizer).front().hash;
  };
  const auto before = hash({});
  const auto identity = desk.task(6).identity();
  CHECK(before == hash({{"windows", 1}}));
  CHECK(before != hash(variants[1]));
  CHECK(before != hash(variants[2]));
  desk.put("c.txt", "rstU");
  CHECK(hash({}) != before);
  CHECK(desk.task(6).identity() != identity);
}

TEST_CASE("where the texts lie is not part of the identity", "[tasks][unit]") {
  const Desk here, there;
  CHECK(here.task(6).identity() == there.task(6).identity());
  CHECK(here.task(6, {{"data", "shelf"}}).identity() ==
        there.task(6, {{"data", (there.folder / "shelf").string()}}).identity());
}

TEST_CASE("listing tokenises each text once, a window those it touches", "[tasks][unit]") {
  const Desk desk;
  const ByteTokenizer tokenizer;
  const auto task = desk.task(5);
  task.samples(tokenizer);
  CHECK(tokenizer.encoded == 3);
  task.samples(tokenizer);
  desk.task(6).samples(tokenizer);
  CHECK(tokenizer.encoded == 3);
  task.window("stream/2", tokenizer);  // tokens 10 to 14: all in b.txt
  CHECK(tokenizer.encoded == 4);
  task.window("stream/1", tokenizer);
  CHECK(tokenizer.encoded == 5);
  task.window("stream/3", tokenizer);  // b.txt is known, c.txt is not
  CHECK(tokenizer.encoded == 6);
}

TEST_CASE("a stream with too few tokens says how many it has", "[tasks][unit]") {
  const Desk desk;
  const ByteTokenizer tokenizer;
  CHECK_THROWS_WITH(desk.task(2097152).samples(tokenizer), Contains("the stream has 21 tokens") &&
                                                               Contains("windows of 2,097,152") &&
                                                               Contains("more text"));
  CHECK_THROWS_WITH(desk.task(6, {{"windows", 4}}).samples(tokenizer),
                    Contains("3 windows of 6 tokens fit") && Contains("at least 4"));
  for (const auto* id : {"stream/3", "a.txt/0", "stream", "stream/x", "stream/-1", ""}) {
    CAPTURE(id);
    CHECK_THROWS_AS(desk.task(6).window(id, tokenizer), Error);
  }
}

TEST_CASE("a text that changes while it is used is noticed", "[tasks][unit]") {
  const Desk desk;
  const ByteTokenizer tokenizer;
  const auto task = desk.task(5);
  task.samples(tokenizer);
  desk.put("b.txt", "klmnopQ");
  CHECK(text_of(task.window("stream/0", tokenizer)) == "abcde");
  CHECK_THROWS_WITH(task.window("stream/2", tokenizer), Contains("b.txt changed"));
}

TEST_CASE("texts and options that cannot be used are named", "[tasks][unit]") {
  const Desk desk;
  desk.put("empty.txt", "");
  desk.put("latin1.txt", "caf\xe9");
  desk.put("copy.txt", "klmnopq");
  std::filesystem::create_directory(desk.folder / "none");
  const std::vector<std::pair<json::object, std::string>> cases{
      {{{"files", {"nowhere.txt", "a.txt"}}}, "nowhere.txt"},
      {{{"files", {"a.txt", "empty.txt"}}}, "empty.txt is empty"},
      {{{"files", {"a.txt", "latin1.txt"}}}, "not UTF-8: byte 3"},
      {{{"files", {"a.txt", "b.txt", "copy.txt"}}}, "repeats"},
      {{{"files", {"a.txt", "a.txt"}}}, "repeats"},
      {{{"files", {"a.txt", "shelf"}}}, "shelf"},
      {{{"files", json::array{}}}, "files: expected a list"},
      {{{"files", {"a.txt", 7}}}, "files: expected a list"},
      {{{"files", {"a.txt", "b.txt"}}, {"books", json::array{"9"}}}, "books"},
      {{{"files", {"a.txt", "b.txt"}}, {"data", "shelf"}}, "data"},
      {{{"file", "a.txt"}, {"data", "shelf"}}, "did you mean 'files'"},
      {{{"data", "none"}}, "no books"},
      {{{"data", "nowhere"}}, "nowhere"},
      {{{"data", "shelf"}, {"books", json::array{"8"}}}, "book '8' is unknown"},
      {{{"data", "shelf"}, {"windows", 0}}, "task text: windows"},
  };
  for (const auto& [options, message] : cases) {
    CAPTURE(json::serialize(options));
    CHECK_THROWS_WITH(desk.task(4, options), Contains("task text") && Contains(message));
  }
  CHECK_THROWS_WITH(desk.task(1), Contains("length"));
  CHECK_NOTHROW(desk.task(TextTask::kLongest));
  CHECK_THROWS_WITH(desk.task(TextTask::kLongest + 1),
                    Contains("at most 2,097,152") && Contains("2,097,153"));
}

TEST_CASE("the task is made by name, and its books are the shipped ones", "[tasks][unit]") {
  const auto task = make_task("text", {}, 2048, test::source_dir());
  CHECK(task->identity().at("books").as_array().size() > 20);
  const auto entries = list_tasks(test::source_dir());
  const auto entry = std::find_if(entries.begin(), entries.end(),
                                  [](const auto& info) { return info.name == "text"; });
  REQUIRE(entry != entries.end());
  CHECK_THAT(entry->option_help.front(), Contains("files: "));
}

}  // namespace lethe::tasks
