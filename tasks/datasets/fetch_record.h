// SPDX-License-Identifier: Apache-2.0
// What was fetched, remembered beside it: fetched.json in the data set's folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace lethe::tasks {

/// One file of an archive, below the folder it was unpacked to.
struct UnpackedFile {
  std::string path;
  std::int64_t bytes = 0;
  std::string sha256;
};

/// One file of the owner's.
struct FetchedFile {
  std::string name;
  std::string url;   ///< "" when a person put it there
  std::string when;  ///< UTC
  std::int64_t bytes = 0;
  std::string sha256;
  std::string unpacked_to;  ///< "" for what is no archive
  std::vector<UnpackedFile> unpacked;
};

/// How far what lies there is compared with its record.
enum class Comparison { kSizes, kBytes };

/// The record of one data set's folder.
class FetchRecord {
 public:
  static constexpr const char* kName = "fetched.json";

  /// Reads `folder`/fetched.json; empty where there is none. Throws Error(kData) when it is
  /// damaged.
  explicit FetchRecord(std::filesystem::path folder);

  const std::vector<FetchedFile>& files() const { return files_; }
  /// nullptr for a file that was not fetched.
  const FetchedFile* find(const std::string& name) const;
  /// Remembers a file, on disk too.
  void put(FetchedFile file);

  /// Why what lies in the folder is not what was recorded; "" when it is, as far as `how` looks.
  std::string difference(const FetchedFile& file, Comparison how) const;

 private:
  std::filesystem::path folder_;
  std::vector<FetchedFile> files_;
};

}  // namespace lethe::tasks
