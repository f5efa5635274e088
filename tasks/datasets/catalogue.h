// SPDX-License-Identifier: Apache-2.0
// The data sets that tasks need: where their owners publish them, under which licence, with which
// checksums (data/datasets.json).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace lethe::tasks {

/// How an archive is unpacked.
struct UnpackRule {
  std::string to;               ///< folder below the data set's, made by unpacking
  std::string from;             ///< what stands before the members that are taken, "" for all
  std::int64_t most_bytes = 0;  ///< when unpacked; an archive with more is refused
};

/// One file as its owner publishes it.
struct DatasetFile {
  std::string name;                   ///< below the data set's folder
  std::vector<std::string> urls;      ///< tried in order; none for what no address gives
  std::optional<std::int64_t> bytes;  ///< of the file as stored
  std::optional<std::string> sha256;  ///< of the file as stored, 64 lower-case hex digits
  std::string why_no_sha256;          ///< where it is not known
  std::optional<UnpackRule> unpack;
};

struct Dataset {
  std::string name;
  std::string title;
  std::string homepage;
  std::string licence;
  std::vector<std::string> manual;  ///< what a person has to know or do
  std::vector<DatasetFile> files;

  /// Sum of the files' sizes; nothing where one is not known.
  std::optional<std::int64_t> bytes() const;
};

/// Reads and checks a catalogue. Throws Error(kConfig) that names the place.
std::vector<Dataset> read_catalogue(const std::filesystem::path& file);

/// Throws Error(kUsage) with a suggestion for an unknown name.
const Dataset& find_dataset(const std::vector<Dataset>& catalogue, const std::string& name);

}  // namespace lethe::tasks
