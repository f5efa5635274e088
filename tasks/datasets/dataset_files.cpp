// SPDX-License-Identifier: Apache-2.0
#include "tasks/datasets/dataset_files.h"

#include <strings.h>

#include <cstdlib>

#include "harness/base/error.h"
#include "harness/base/hash.h"
#include "harness/base/names.h"
#include "harness/base/text.h"

namespace lethe::tasks {

namespace fs = std::filesystem;

namespace {

std::optional<fs::path> find_below(const fs::path& base, const Dataset& dataset,
                                   const std::string& file) {
  std::error_code ec;
  for (const auto* packed : {"", ".xz", ".gz"}) {
    const fs::path path = base / (file + packed);
    if (fs::is_regular_file(path, ec)) return path;
  }
  for (const auto& archive : dataset.files) {
    if (!archive.unpack || !file.starts_with(archive.unpack->to + "/")) continue;
    if (!fs::is_regular_file(base / archive.name, ec)) continue;
    return base / archive.name /
           (archive.unpack->from + file.substr(archive.unpack->to.size() + 1));
  }
  return std::nullopt;
}

/// Where the data set may lie, in the order in which it is looked for.
std::vector<fs::path> places_of(const Dataset& dataset, const std::vector<fs::path>& folders) {
  std::vector<fs::path> places;
  for (const auto& folder : folders) {
    places.push_back(folder / dataset.name);
    // The folder itself. "DIR/" and "DIR/." have an empty file name; owners write "LongBench".
    const auto normal = folder.lexically_normal();
    const auto plain = normal.has_filename() ? normal : normal.parent_path();
    if (strcasecmp(plain.filename().c_str(), dataset.name.c_str()) == 0) places.push_back(plain);
  }
  return places;
}

}  // namespace

std::vector<fs::path> data_folders(const std::optional<std::string>& given) {
  std::vector<fs::path> folders;
  if (given) folders.push_back(fs::absolute(*given));
  if (const char* variable = std::getenv("LETHE_DATA"); variable && *variable) {
    folders.push_back(fs::absolute(variable));
  }
  if (const auto cache = user_cache_folder(); !cache.empty()) folders.push_back(cache / "data");
  if (folders.empty()) {
    throw Error(ErrorKind::kConfig,
                "no folder for data sets: expected --data DIR, $LETHE_DATA, $XDG_CACHE_HOME or "
                "$HOME, found none of them");
  }
  return folders;
}

std::optional<fs::path> find_dataset_file(const Dataset& dataset, const std::string& file,
                                          const std::vector<fs::path>& folders) {
  for (const auto& place : places_of(dataset, folders)) {
    if (auto found = find_below(place, dataset, file)) return found;
  }
  return std::nullopt;
}

fs::path dataset_file(const Dataset& dataset, const std::string& file,
                      const std::vector<fs::path>& folders) {
  if (auto found = find_dataset_file(dataset, file, folders)) return *found;
  std::vector<std::string> places;
  for (const auto& place : places_of(dataset, folders)) places.push_back(place.string());
  throw Error(ErrorKind::kData, "the file " + file + " of the data set " + dataset.name +
                                    " is not here; looked in " + join(places, ", ") +
                                    ". Get it with ./lethe fetch " + dataset.name +
                                    ", or name the folder that holds " + dataset.name +
                                    "/, or is called so, with --data DIR or $LETHE_DATA");
}

std::string manual_steps(const Dataset& dataset, const fs::path& folder) {
  std::string text;
  for (const auto& line : dataset.manual) text += line + "\n";
  text += "Put these files into " + (folder / dataset.name).string() + ":\n";
  for (const auto& file : dataset.files) {
    text += "  " + file.name;
    if (file.bytes) text += ", " + with_thousands(*file.bytes) + " bytes";
    if (file.sha256) text += ", SHA-256 " + *file.sha256;
    text += "\n";
    for (const auto& url : file.urls) text += "    from " + url + "\n";
  }
  text += "Then ./lethe fetch " + dataset.name +
          " checks and unpacks them. Owner's page: " + dataset.homepage + "\n";
  return text;
}

}  // namespace lethe::tasks
