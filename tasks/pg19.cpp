// SPDX-License-Identifier: Apache-2.0
#include "tasks/pg19.h"

#include "harness/base/error.h"
#include "tasks/datasets/pg19_books.h"

namespace lethe::tasks {

std::vector<Stream> book_streams(const Pg19Options& options) {
  const Pg19Books books(options.data);
  std::vector<Stream> streams;
  for (const auto& id : options.books.empty() ? books.ids() : options.books) {
    const Book book = books.read(id);
    streams.push_back({id, "book " + id, book.sha256, {{id, book.path, book.sha256}}});
  }
  return streams;
}

Pg19Options Pg19Options::parse(const json::object& object, const std::filesystem::path& root) {
  const json::value holder(object);
  ObjectReader reader(holder, "task pg19", ErrorKind::kConfig);
  Pg19Options options;
  options.books = read_books(reader);
  options.data = look_for(reader.string("data", "data/samples/pg19"), root);
  options.window = WindowOptions::read(reader);
  reader.finish();
  return options;
}

Pg19Task::Pg19Task(const Pg19Options& options, std::int64_t length)
    : Pg19Task("pg19", options, length) {}

Pg19Task::Pg19Task(std::string name, const Pg19Options& options, std::int64_t length)
    : WindowTask(std::move(name), options.window, length, book_streams(options)) {}

json::object Pg19Task::identity() const {
  json::object out = window_identity();
  out["version"] = kVersion;
  out["books"] = stream_hashes();
  return out;
}

}  // namespace lethe::tasks
