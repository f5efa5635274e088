// SPDX-License-Identifier: Apache-2.0
// Archives and compressed files for tests, hostile ones included.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::test {

/// A member to write. A folder has a path that ends in "/".
struct WrittenMember {
  std::string path;
  std::string bytes = {};
  std::string symbolic_link = {};  ///< its target, for a symbolic link
  std::string hard_link = {};      ///< its target, for a hard link
  bool device = false;
};

/// Writes a .zip or .tar.* as the name says.
void write_archive(const std::filesystem::path& file, const std::vector<WrittenMember>& members);

/// Writes bytes as .gz or .xz, as the name says.
void write_compressed(const std::filesystem::path& file, std::string_view bytes);

}  // namespace lethe::test
