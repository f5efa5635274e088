// SPDX-License-Identifier: Apache-2.0
#include "tasks/datasets/pg19_books.h"

#include <algorithm>

#include "harness/base/error.h"
#include "harness/base/hash.h"
#include "harness/base/text.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::tasks {

using Catch::Matchers::Contains;

TEST_CASE("the shipped books are the ones listed, byte for byte", "[tasks][golden]") {
  const Pg19Books books(test::source_dir() / "data/samples/pg19");
  CHECK(books.ids().size() == 10);
  CHECK(books.ids().front() == "860");
  for (const auto& id : books.ids()) CHECK(books.read(id).text.size() > 20000);
  CHECK(books.read("860").sha256 ==
        "3d36fe9b326186a44d049c4fc77c2df88431aa2903679b472f94cc4b2f838104");

  const Pg19Books further(test::source_dir() / "data/samples/pg19-stream");
  CHECK(further.ids().size() == 15);
  for (const auto& id : further.ids()) {
    CAPTURE(id);
    CHECK(further.read(id).text.size() > 100000);
    CHECK(std::count(books.ids().begin(), books.ids().end(), id) == 0);
  }
}

TEST_CASE("a folder without a list gives its text files in numeric order", "[tasks][unit]") {
  const test::TempDir folder;
  for (const auto* id : {"1000", "9", "notes"}) {
    write_file_atomically(folder / (std::string(id) + ".txt"), id);
  }
  write_file_atomically(folder / "readme.md", "not a book");
  const Pg19Books books(folder.path());
  CHECK(books.ids() == std::vector<std::string>{"9", "1000", "notes"});
  const auto book = books.read("9");
  CHECK(book.text == "9");
  CHECK(book.sha256 == sha256_hex("9"));
}

TEST_CASE("missing, unknown, changed and damaged books are refused", "[tasks][unit]") {
  const test::TempDir folder;
  CHECK_THROWS_WITH(Pg19Books(folder / "nowhere"), Contains("nowhere"));
  CHECK_THROWS_WITH(Pg19Books(folder.path()), Contains("no books"));
  write_file_atomically(folder / "860.txt", "text");
  CHECK_THROWS_WITH(Pg19Books(folder.path()).read("861"), Contains("did you mean '860'"));

  write_file_atomically(folder / "empty.txt", "");
  CHECK_THROWS_AS(Pg19Books(folder.path()).read("empty"), Error);
  write_file_atomically(folder / "latin1.txt", "caf\xe9");
  CHECK_THROWS_WITH(Pg19Books(folder.path()).read("latin1"), Contains("3"));

  write_file_atomically(folder / "books.json", R"({"books": [{"id": "860", "sha256": "0123"}]})");
  CHECK_THROWS_WITH(Pg19Books(folder.path()).read("860"), Contains("expects 0123"));
  write_file_atomically(folder / "books.json", "{");
  CHECK_THROWS_AS(Pg19Books(folder.path()), Error);
}

}  // namespace lethe::tasks
