// SPDX-License-Identifier: Apache-2.0
#include "tasks/datasets/catalogue.h"

#include <algorithm>
#include <set>

#include "harness/base/json.h"
#include "harness/base/names.h"

namespace lethe::tasks {

namespace {

[[noreturn]] void fail(const std::string& where, const std::string& what) {
  throw Error(ErrorKind::kConfig, where + ": " + what);
}

/// A name that is one component of a path and hides nothing.
void check_plain_name(const std::string& name, const std::string& where) {
  if (name.empty() || name.front() == '.' || name.find_first_of("/\\") != std::string::npos) {
    fail(where, "expected a plain file name, found '" + name + "'");
  }
}

std::vector<std::string> texts(const json::array& array, const std::string& where) {
  std::vector<std::string> out;
  for (const auto& item : array) {
    if (!item.is_string()) fail(where, "expected strings");
    out.emplace_back(item.as_string());
  }
  return out;
}

UnpackRule read_unpack(const json::value& value, const std::string& where) {
  ObjectReader reader(value, where, ErrorKind::kConfig);
  UnpackRule rule{reader.string("to"), reader.string("from", ""), reader.integer("most_bytes")};
  reader.finish();
  check_plain_name(rule.to, reader.where("to"));
  if (!rule.from.empty() && !rule.from.ends_with('/')) {
    fail(reader.where("from"), "expected a folder that ends in '/', found '" + rule.from + "'");
  }
  if (rule.most_bytes <= 0) fail(reader.where("most_bytes"), "expected more than 0");
  return rule;
}

DatasetFile read_file_entry(const json::value& value, const std::string& where) {
  ObjectReader reader(value, where, ErrorKind::kConfig);
  DatasetFile file;
  file.name = reader.string("name");
  check_plain_name(file.name, reader.where("name"));
  file.urls = texts(reader.array("urls"), reader.where("urls"));
  for (const auto& url : file.urls) {
    if (!url.starts_with("https://") && !url.starts_with("http://")) {
      fail(reader.where("urls"), "expected https:// or http://, found '" + url + "'");
    }
  }
  if (!reader.at("bytes").is_null()) file.bytes = reader.integer("bytes");
  if (!reader.at("sha256").is_null()) {
    file.sha256 = reader.string("sha256");
    if (file.sha256->size() != 64 ||
        file.sha256->find_first_not_of("0123456789abcdef") != std::string::npos) {
      fail(reader.where("sha256"),
           "expected 64 lower-case hex digits, found '" + *file.sha256 + "'");
    }
  } else {
    file.why_no_sha256 = reader.string("why_no_sha256");
  }
  if (const auto* unpack = reader.find("unpack")) {
    file.unpack = read_unpack(*unpack, reader.where("unpack"));
  }
  reader.finish();
  return file;
}

Dataset read_dataset(const json::value& value, const std::string& where) {
  ObjectReader reader(value, where, ErrorKind::kConfig);
  Dataset dataset;
  dataset.name = reader.string("name");
  check_plain_name(dataset.name, reader.where("name"));
  dataset.title = reader.string("title");
  dataset.homepage = reader.string("homepage");
  dataset.licence = reader.string("licence");
  if (reader.has("manual")) dataset.manual = texts(reader.array("manual"), reader.where("manual"));
  std::set<std::string> names;
  for (const auto& entry : reader.array("files")) {
    dataset.files.push_back(
        read_file_entry(entry, where + ": files[" + std::to_string(dataset.files.size()) + "]"));
    const auto& file = dataset.files.back();
    if (file.urls.empty() && dataset.manual.empty()) {
      fail(reader.where("files"), "'" + file.name + "' has no address, so \"manual\" must help");
    }
    if (!names.insert(file.name).second || (file.unpack && !names.insert(file.unpack->to).second)) {
      fail(reader.where("files"),
           "expected names that differ, found one twice at '" + file.name + "'");
    }
  }
  if (dataset.files.empty()) fail(reader.where("files"), "expected at least one");
  reader.finish();
  return dataset;
}

}  // namespace

std::optional<std::int64_t> Dataset::bytes() const {
  std::int64_t sum = 0;
  for (const auto& file : files) {
    if (!file.bytes) return std::nullopt;
    sum += *file.bytes;
  }
  return sum;
}

std::vector<Dataset> read_catalogue(const std::filesystem::path& file) {
  const auto root = read_json_file(file, ErrorKind::kConfig);
  ObjectReader reader(root, file.string(), ErrorKind::kConfig);
  std::vector<Dataset> catalogue;
  for (const auto& entry : reader.array("datasets")) {
    auto dataset =
        read_dataset(entry, file.string() + ": datasets[" + std::to_string(catalogue.size()) + "]");
    const bool twice = std::any_of(catalogue.begin(), catalogue.end(),
                                   [&](auto& other) { return other.name == dataset.name; });
    if (twice) fail(file.string(), "data set '" + dataset.name + "' stands there twice");
    catalogue.push_back(std::move(dataset));
  }
  reader.finish();
  return catalogue;
}

const Dataset& find_dataset(const std::vector<Dataset>& catalogue, const std::string& name) {
  std::vector<std::string> known;
  for (const auto& dataset : catalogue) {
    if (dataset.name == name) return dataset;
    known.push_back(dataset.name);
  }
  throw unknown_name(ErrorKind::kUsage, "data set", name, known);
}

}  // namespace lethe::tasks
