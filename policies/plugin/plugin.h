// SPDX-License-Identifier: Apache-2.0
// Policies from shared libraries (lethe_policy.h).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace lethe::policies {

/// A library that was loaded. It stays so until the process ends.
struct LoadedPlugin {
  std::string policy;  ///< name under which it is known
  std::string version;
  std::filesystem::path path;
  std::string sha256;  ///< of the file: part of the key of every cell that uses it
};

/// Opens a library, checks its table and adds its policy to the known ones; one that is loaded
/// already is left as it is. Not thread-safe: called while a program starts. Throws Error(kPlugin)
/// that names the file for one that is none, speaks another version, lacks a function, or has a
/// name that is taken.
LoadedPlugin load_plugin(const std::filesystem::path& path);

/// Those loaded so far.
const std::vector<LoadedPlugin>& loaded_plugins();

}  // namespace lethe::policies
