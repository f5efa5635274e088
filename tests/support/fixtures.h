// SPDX-License-Identifier: Apache-2.0
// Folders and files that tests share.
#pragma once

#include <filesystem>
#include <string>

namespace lethe::test {

/// Root of the source tree.
std::filesystem::path source_dir();
/// tests/golden/<name>. Fails the test when it is missing.
std::filesystem::path golden(const std::string& name);
/// The default model's GGUF ($LETHE_MODEL_PATH, else .deps/models/…). Fails the test when missing:
/// `./lethe setup` fetches it.
std::filesystem::path default_model();

/// A fresh folder, removed with everything in it at the end.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

}  // namespace lethe::test
