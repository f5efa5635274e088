// SPDX-License-Identifier: Apache-2.0
#include "tasks/datasets/fetch_record.h"

#include <algorithm>

#include "harness/base/hash.h"
#include "harness/base/json.h"
#include "harness/base/text.h"

namespace lethe::tasks {

namespace fs = std::filesystem;

namespace {

FetchedFile read_fetched(const json::value& value, const std::string& where) {
  ObjectReader reader(value, where, ErrorKind::kData);
  FetchedFile file;
  file.name = reader.string("name");
  file.url = reader.string("url");
  file.when = reader.string("when");
  file.bytes = reader.integer("bytes");
  file.sha256 = reader.string("sha256");
  file.unpacked_to = reader.string("unpacked_to");
  for (const auto& entry : reader.array("unpacked")) {
    ObjectReader member(entry, reader.where("unpacked"), ErrorKind::kData);
    file.unpacked.push_back(
        {member.string("path"), member.integer("bytes"), member.string("sha256")});
  }
  return file;
}

json::value to_json(const FetchedFile& file) {
  json::array unpacked;
  for (const auto& member : file.unpacked) {
    unpacked.push_back({{"path", member.path}, {"bytes", member.bytes}, {"sha256", member.sha256}});
  }
  return {{"name", file.name},   {"url", file.url},       {"when", file.when},
          {"bytes", file.bytes}, {"sha256", file.sha256}, {"unpacked_to", file.unpacked_to},
          {"unpacked", unpacked}};
}

std::string difference_of(const fs::path& path, std::int64_t bytes, const std::string& sha256,
                          Comparison how) {
  std::error_code ec;
  if (!fs::is_regular_file(path, ec)) return path.string() + " is missing";
  if (fs::file_size(path, ec) != static_cast<std::uintmax_t>(bytes) ||
      (how == Comparison::kBytes && sha256_file(path) != sha256)) {
    return path.string() + " has changed";
  }
  return "";
}

}  // namespace

FetchRecord::FetchRecord(fs::path folder) : folder_(std::move(folder)) {
  const auto path = folder_ / kName;
  if (!fs::exists(path)) return;
  try {
    const auto root = read_json_file(path, ErrorKind::kData);
    ObjectReader reader(root, path.string(), ErrorKind::kData);
    for (const auto& entry : reader.array("files")) {
      files_.push_back(read_fetched(entry, reader.where("files")));
    }
  } catch (const Error& error) {
    throw Error(error.kind(), std::string(error.what()) +
                                  "; the record is damaged: remove it, and lethe fetch checks what "
                                  "is there anew");
  }
}

const FetchedFile* FetchRecord::find(const std::string& name) const {
  const auto found = std::find_if(files_.begin(), files_.end(),
                                  [&](const auto& file) { return file.name == name; });
  return found == files_.end() ? nullptr : &*found;
}

void FetchRecord::put(FetchedFile file) {
  const auto found = std::find_if(files_.begin(), files_.end(),
                                  [&](const auto& other) { return other.name == file.name; });
  if (found == files_.end()) {
    files_.push_back(std::move(file));
  } else {
    *found = std::move(file);
  }
  json::array files;
  for (const auto& entry : files_) files.push_back(to_json(entry));
  write_file_atomically(folder_ / kName, json::serialize(json::object{{"files", files}}) + "\n");
}

std::string FetchRecord::difference(const FetchedFile& file, Comparison how) const {
  if (file.unpacked_to.empty()) {
    return difference_of(folder_ / file.name, file.bytes, file.sha256, how);
  }
  for (const auto& member : file.unpacked) {
    auto found =
        difference_of(folder_ / file.unpacked_to / member.path, member.bytes, member.sha256, how);
    if (!found.empty()) return found;
  }
  return "";
}

}  // namespace lethe::tasks
