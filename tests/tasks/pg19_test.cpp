// SPDX-License-Identifier: Apache-2.0
#include "tasks/pg19.h"

#include <cstdlib>
#include <filesystem>
#include <limits>
#include <set>

#include "harness/base/error.h"
#include "harness/base/text.h"
#include "tasks/registry.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"
#include "tests/tasks/fake_model.h"

namespace lethe::tasks {

using Catch::Matchers::Contains;
using test::ByteTokenizer;
using test::FormulaModel;

namespace {

/// Two books of 20 and 7 bytes, and a cache folder of its own.
struct Shelf {
  test::TempDir folder;

  Shelf() {
    write_file_atomically(folder / "1.txt", "abcdefghijklmnopqrst");
    write_file_atomically(folder / "2.txt", "ABCDEFG");
    setenv("XDG_CACHE_HOME", (folder / "cache").c_str(), 1);
  }

  Pg19Task task(std::int64_t length, json::object options = {}) const {
    options["data"] = folder.path().string();
    return {Pg19Options::parse(options, folder.path()), length};
  }
};

std::string text_of(const std::vector<std::int64_t>& ids) {
  return {ids.begin(), ids.end()};
}

std::vector<std::string> ids_of(const std::vector<SampleInfo>& samples) {
  std::vector<std::string> ids;
  for (const auto& sample : samples) ids.push_back(sample.id);
  return ids;
}

}  // namespace

TEST_CASE("windows tile a book; the tail is dropped", "[tasks][unit]") {
  const Shelf shelf;
  const ByteTokenizer tokenizer;
  const auto task = shelf.task(6);
  CHECK(ids_of(task.samples(tokenizer)) == std::vector<std::string>{"1/0", "1/1", "1/2", "2/0"});
  CHECK(text_of(task.window("1/1", tokenizer)) == "ghijkl");
  CHECK(task.samples(tokenizer).back().cluster == "2");
}

TEST_CASE("windows, stride and start choose the samples", "[tasks][unit]") {
  const Shelf shelf;
  const ByteTokenizer tokenizer;
  const auto task =
      shelf.task(4, {{"books", json::array{"1"}}, {"windows", 3}, {"stride", 2}, {"start", 5}});
  CHECK(ids_of(task.samples(tokenizer)) == std::vector<std::string>{"1/0", "1/1", "1/2"});
  CHECK(text_of(task.window("1/2", tokenizer)) == "jklm");
  const auto exact = shelf.task(10, {{"books", json::array{1}}});
  CHECK(exact.samples(tokenizer).size() == 2);
}

TEST_CASE("the BOS rule decides where BOS stands, inside the length", "[tasks][unit]") {
  const Shelf shelf;
  const ByteTokenizer with_bos(true, "bytes with bos");
  const json::object one{{"books", json::array{"1"}}};
  auto options = one;
  options["bos"] = "window";
  const auto window = shelf.task(5, options);
  CHECK(window.window("1/0", with_bos) == std::vector<std::int64_t>{299, 'a', 'b', 'c', 'd'});
  CHECK(window.window("1/1", with_bos) == std::vector<std::int64_t>{299, 'e', 'f', 'g', 'h'});
  CHECK(window.samples(with_bos).size() == 5);

  const auto automatic = shelf.task(5, one);
  CHECK(automatic.window("1/0", with_bos) == std::vector<std::int64_t>{299, 'a', 'b', 'c', 'd'});
  CHECK(text_of(automatic.window("1/1", with_bos)) == "efghi");
  const ByteTokenizer plain;
  CHECK(text_of(automatic.window("1/0", plain)) == "abcde");

  options["bos"] = "never";
  CHECK(text_of(shelf.task(5, options).window("1/0", with_bos)) == "abcde");
  CHECK_THROWS_WITH(window.window("1/0", plain), Contains("has none"));
}

TEST_CASE("a book with too few tokens says how many it has", "[tasks][unit]") {
  const Shelf shelf;
  const ByteTokenizer tokenizer;
  CHECK_THROWS_WITH(shelf.task(8).samples(tokenizer),
                    Contains("book 2 has 7 tokens") && Contains("windows of 8"));
  CHECK_THROWS_WITH(shelf.task(6, {{"books", json::array{"1"}}, {"windows", 4}}).samples(tokenizer),
                    Contains("3 windows of 6 tokens fit") && Contains("at least 4"));
  CHECK_THROWS_WITH(
      shelf.task(8, {{"start", std::numeric_limits<std::int64_t>::max()}}).samples(tokenizer),
      Contains("0 windows of 8 tokens fit"));
}

TEST_CASE("a remembered count that is wrong is noticed", "[tasks][unit]") {
  const Shelf shelf;
  const ByteTokenizer tokenizer;
  shelf.task(4).samples(tokenizer);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(shelf.folder / "cache")) {
    if (entry.is_regular_file()) write_file_atomically(entry.path(), "18");
  }
  CHECK_THROWS_WITH(shelf.task(4).window("1/0", tokenizer),
                    Contains("has 20 tokens, remembered are 18") && Contains("token_counts"));
}

TEST_CASE("everything that changes numbers changes identity and sample hashes", "[tasks][unit]") {
  const Shelf shelf;
  const ByteTokenizer tokenizer;
  const std::vector<json::object> variants{
      {},
      {{"books", json::array{"1"}}},
      {{"books", json::array{"2", "1"}}},
      {{"windows", 1}},
      {{"stride", 3}},
      {{"start", 1}},
      {{"bos", "never"}},
      {{"bos", "window"}},
  };
  std::set<std::string> identities;
  for (const auto& options : variants) {
    identities.insert(canonical_json(shelf.task(6, options).identity()));
  }
  CHECK(identities.size() == variants.size());
  CHECK(shelf.task(6).identity() == shelf.task(6, {{"tail", "drop"}, {"stride", 6}}).identity());

  const auto hash = [&](const json::object& options, std::int64_t length) {
    return shelf.task(length, options).samples(tokenizer).front().hash;
  };
  CHECK(hash({}, 6) == hash({{"windows", 1}}, 6));
  CHECK(hash({}, 6) != hash({}, 5));
  CHECK(hash({}, 6) != hash({{"start", 1}}, 6));
  CHECK(hash({}, 6) != hash({{"bos", "never"}}, 6));
  const auto before = hash({}, 6);
  const auto identity = shelf.task(6).identity();
  write_file_atomically(shelf.folder / "1.txt", "abcdefghijklmnopqrsT");
  CHECK(hash({}, 6) != before);
  CHECK(shelf.task(6).identity() != identity);
}

TEST_CASE("a sample gives the model exactly its window", "[tasks][unit]") {
  const Shelf shelf;
  const ByteTokenizer tokenizer;
  const FormulaModel model;
  RunSettings settings;
  settings.budget = 3;
  settings.seed = 7;
  const auto outcome = shelf.task(4).run("1/2", tokenizer, model, settings);
  CHECK(text_of(model.seen) == "ijkl");
  CHECK(model.budget == 3);
  CHECK(model.seed == 7);
  CHECK(outcome.tokens_in == 4);
  CHECK(outcome.bos_count == 0);
  CHECK(outcome.nll == std::vector<double>{1.06, 1.07, 1.08});
  CHECK(outcome.layers.size() == 1);
  CHECK(outcome.peak_kv_bytes == 20);

  const ByteTokenizer with_bos(true, "bytes with bos");
  CHECK(shelf.task(4).run("1/0", with_bos, model, settings).bos_count == 1);
  CHECK(shelf.task(4).run("1/1", with_bos, model, settings).bos_count == 0);
  for (const auto* id : {"1/5", "3/0", "1", "1/x", "1/-1", "1/0/0"}) {
    CAPTURE(id);
    CHECK_THROWS_AS(shelf.task(4).run(id, tokenizer, model, settings), Error);
  }
  CHECK_THROWS_AS(shelf.task(4, {{"windows", 2}}).window("1/2", tokenizer), Error);
}

TEST_CASE("a book is tokenised once, and its length is remembered between runs", "[tasks][unit]") {
  const Shelf shelf;
  const ByteTokenizer tokenizer;
  const auto task = shelf.task(4);
  task.samples(tokenizer);
  CHECK(tokenizer.encoded == 2);
  shelf.task(5).samples(tokenizer);
  CHECK(tokenizer.encoded == 2);
  task.window("1/0", tokenizer);
  task.window("1/1", tokenizer);
  CHECK(tokenizer.encoded == 3);
  const ByteTokenizer other(false, "another tokenizer");
  task.samples(other);
  CHECK(other.encoded == 2);
}

TEST_CASE("bad options are named", "[tasks][unit]") {
  const Shelf shelf;
  const std::vector<std::pair<json::object, std::string>> cases{
      {{{"book", json::array{"1"}}}, "did you mean 'books'"},
      {{{"books", "some"}}, "books"},
      {{{"books", json::array{}}}, "books"},
      {{{"books", json::array{"1", 1}}}, "listed twice"},
      {{{"books", json::array{"7"}}}, "book '7' is unknown"},
      {{{"windows", 0}}, "windows"},
      {{{"windows", "many"}}, "windows"},
      {{{"stride", 0}}, "stride"},
      {{{"start", -1}}, "start"},
      {{{"bos", "windw"}}, "did you mean 'window'"},
      {{{"tail", "keep"}}, "tail"},
  };
  for (const auto& [options, message] : cases) {
    CAPTURE(json::serialize(options));
    CHECK_THROWS_WITH(shelf.task(4, options), Contains(message));
  }
  CHECK_THROWS_WITH(shelf.task(1), Contains("length"));
  CHECK_THROWS_WITH(make_task("pg91", {}, 4, shelf.folder.path()), Contains("did you mean 'pg19'"));
}

}  // namespace lethe::tasks
