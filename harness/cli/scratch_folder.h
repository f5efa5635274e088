// SPDX-License-Identifier: Apache-2.0
// A folder for databases that a command makes and throws away.
#pragma once

#include <filesystem>

namespace lethe::cli {

/// Made in the constructor, removed with everything in it in the destructor.
class ScratchFolder {
 public:
  /// Throws Error(kStore) when no folder can be made in `parent`.
  explicit ScratchFolder(
      const std::filesystem::path& parent = std::filesystem::temp_directory_path());
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const char* name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

}  // namespace lethe::cli
