// SPDX-License-Identifier: Apache-2.0
#include "tasks/text.h"

#include <algorithm>
#include <utility>

#include "harness/base/error.h"
#include "harness/base/hash.h"
#include "harness/base/names.h"
#include "harness/base/text.h"
#include "tasks/datasets/pg19_books.h"
#include "tasks/task_files.h"

namespace lethe::tasks {

namespace {

namespace fs = std::filesystem;

constexpr const char* kWhere = "task text";

StreamText read_one(const fs::path& path) {
  return {path.filename().string(), path, sha256_hex(read_text_file(path))};
}

StreamText read_one(const Pg19Books& books, const std::string& id) {
  const Book book = books.read(id);
  return {id, book.path, book.sha256};
}

std::vector<StreamText> chosen_books(const TextOptions& options) {
  std::vector<Pg19Books> folders(options.data.begin(), options.data.end());
  std::vector<StreamText> texts;
  if (options.books.empty()) {
    for (const auto& folder : folders) {
      for (const auto& id : folder.ids()) texts.push_back(read_one(folder, id));
    }
    return texts;
  }
  std::vector<std::string> known;
  for (const auto& folder : folders) {
    known.insert(known.end(), folder.ids().begin(), folder.ids().end());
  }
  for (const auto& id : options.books) {
    const auto folder = std::find_if(folders.begin(), folders.end(), [&](const auto& books) {
      return std::find(books.ids().begin(), books.ids().end(), id) != books.ids().end();
    });
    if (folder == folders.end()) throw unknown_name(ErrorKind::kData, "book", id, known);
    texts.push_back(read_one(*folder, id));
  }
  return texts;
}

void refuse_repetition(const std::vector<StreamText>& texts) {
  for (auto text = texts.begin(); text != texts.end(); ++text) {
    const auto same = std::find_if(
        texts.begin(), text, [&](const auto& earlier) { return earlier.sha256 == text->sha256; });
    if (same != text) {
      throw Error(ErrorKind::kData, text->path.string() + " repeats " + same->path.string() +
                                        " byte for byte; a text that was seen before is easy to "
                                        "predict, so a stream takes each text once");
    }
  }
}

std::vector<Stream> stream_of(const TextOptions& options, std::int64_t length) {
  if (length > TextTask::kLongest) {
    throw Error(ErrorKind::kConfig, std::string(kWhere) + ": length: expected at most " +
                                        with_thousands(TextTask::kLongest) + " tokens, found " +
                                        with_thousands(length));
  }
  Stream stream{"stream", "the stream", "", {}};
  try {
    for (const auto& path : options.files) stream.texts.push_back(read_one(path));
    if (options.files.empty()) stream.texts = chosen_books(options);
    refuse_repetition(stream.texts);
  } catch (Error& error) {
    error.add_context(kWhere);
    throw;
  }
  std::string hashes;
  for (const auto& text : stream.texts) hashes += text.sha256 + "\n";
  stream.sha256 = sha256_hex(hashes);
  return {std::move(stream)};
}

}  // namespace

TextOptions TextOptions::parse(const json::object& object, const fs::path& root) {
  const json::value holder(object);
  ObjectReader reader(holder, kWhere, ErrorKind::kConfig);
  TextOptions options;
  if (reader.find("files")) {
    for (const auto* other : {"data", "books"}) {
      if (reader.find(other)) {
        throw Error(ErrorKind::kConfig, reader.where(other) +
                                            ": chooses among folders of books, "
                                            "and \"files\" names the texts "
                                            "themselves; use one of the two");
      }
    }
    options.files = read_paths(reader, "files", root);
  } else {
    options.books = read_books(reader);
    if (reader.find("data")) {
      options.data = read_paths(reader, "data", root);
    } else {
      options.data = {look_for("data/samples/pg19", root),
                      look_for("data/samples/pg19-stream", root)};
    }
  }
  options.window = WindowOptions::read(reader);
  reader.finish();
  return options;
}

TextTask::TextTask(const TextOptions& options, std::int64_t length)
    : WindowTask("text", options.window, length, stream_of(options, length)),
      from_files_(!options.files.empty()) {}

json::object TextTask::identity() const {
  json::array texts;
  for (const auto& text : streams().front().texts) {
    texts.push_back({{"id", text.name}, {"sha256", text.sha256}});
  }
  json::object out = window_identity();
  out["version"] = kVersion;
  out[from_files_ ? "files" : "books"] = std::move(texts);
  return out;
}

}  // namespace lethe::tasks
