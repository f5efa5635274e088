// SPDX-License-Identifier: Apache-2.0
#include "tasks/datasets/pg19_books.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "harness/base/error.h"
#include "harness/base/hash.h"
#include "harness/base/json.h"
#include "harness/base/names.h"
#include "harness/base/spec.h"
#include "harness/base/text.h"

namespace lethe::tasks {

namespace {

namespace fs = std::filesystem;

std::vector<std::string> text_files(const fs::path& folder) {
  std::vector<std::string> ids;
  std::error_code ec;
  for (fs::directory_iterator it(folder, ec), end; !ec && it != end; it.increment(ec)) {
    if (it->path().extension() == ".txt") ids.push_back(it->path().stem().string());
  }
  if (ec) {
    throw Error(ErrorKind::kData, "cannot list the book folder " + folder.string() + ": " +
                                      ec.message() + "; expected texts named <id>.txt in it");
  }
  return ids;
}

bool numeric_order(const std::string& left, const std::string& right) {
  const auto rank = [](const std::string& id) {
    const auto number = parse_integer(id);
    return std::make_tuple(!number.has_value(), number.value_or(0), id);
  };
  return rank(left) < rank(right);
}

}  // namespace

Pg19Books::Pg19Books(fs::path folder) : folder_(std::move(folder)) {
  const auto list = folder_ / "books.json";
  if (fs::exists(list)) {
    const auto root = read_json_file(list, ErrorKind::kData);
    ObjectReader reader(root, list.string(), ErrorKind::kData);
    for (const auto& entry : reader.array("books")) {
      ObjectReader book(entry, list.string() + ": books", ErrorKind::kData);
      const std::string id = book.string("id");
      ids_.push_back(id);
      expected_sha256_[id] = book.string("sha256");
    }
  } else {
    ids_ = text_files(folder_);
  }
  if (ids_.empty()) {
    throw Error(ErrorKind::kData, "no books in " + folder_.string() +
                                      ": expected texts named <id>.txt (or a books.json)");
  }
  std::sort(ids_.begin(), ids_.end(), numeric_order);
}

Book Pg19Books::read(const std::string& id) const {
  if (std::find(ids_.begin(), ids_.end(), id) == ids_.end()) {
    throw unknown_name(ErrorKind::kData, "book", id, ids_)
        .add_context("books in " + folder_.string());
  }
  const auto path = folder_ / (id + ".txt");
  Book book{id, path, read_text_file(path), {}};
  book.sha256 = sha256_hex(book.text);
  const auto expected = expected_sha256_.find(id);
  if (expected != expected_sha256_.end() && expected->second != book.sha256) {
    throw Error(ErrorKind::kData, path.string() + ": SHA-256 is " + book.sha256 + ", " +
                                      (folder_ / "books.json").string() + " expects " +
                                      expected->second +
                                      "; the text was changed or damaged: restore it");
  }
  return book;
}

}  // namespace lethe::tasks
