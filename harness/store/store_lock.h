// SPDX-License-Identifier: Apache-2.0
// One coordinator per database: a lock that names its holder and ends with its process.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "harness/base/file_lock.h"

namespace lethe::store {

/// Holds `<db>.lock` for as long as it lives: a FileLock.
class StoreLock {
 public:
  /// Throws Error(kStore) that names the holder (host, pid, start time, command) when another
  /// process has the lock, or says why the lock file cannot be written. `command` is for that
  /// message.
  StoreLock(const std::filesystem::path& database, const std::string& command,
            const Clock& clock = system_clock());

  /// Who holds the lock just now, as the refusal names it; nothing when nobody does. Takes nothing.
  static std::optional<std::string> holder(const std::filesystem::path& database);

  /// `<db>.lock`.
  static std::filesystem::path path_for(const std::filesystem::path& database);

 private:
  FileLock lock_;
};

}  // namespace lethe::store
