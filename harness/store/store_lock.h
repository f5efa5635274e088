// SPDX-License-Identifier: Apache-2.0
// One coordinator per database: a lock that names its holder and ends with its process.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "harness/base/clock.h"

namespace lethe::store {

/// Holds `<db>.lock` (an open file description lock) for as long as it lives. The kernel frees it
/// when the process ends, however it ends; the file then stays behind with a dead holder's text and
/// is taken over by the next one. Child processes do not inherit it.
class StoreLock {
 public:
  /// Throws Error(kStore) that names the holder (host, pid, start time, command) when another
  /// process has the lock, or says why the lock file cannot be written. `command` is for that
  /// message.
  StoreLock(const std::filesystem::path& database, const std::string& command,
            const Clock& clock = system_clock());
  ~StoreLock();
  StoreLock(const StoreLock&) = delete;
  StoreLock& operator=(const StoreLock&) = delete;

  /// Who holds the lock just now, as the refusal names it; nothing when nobody does. Takes nothing.
  static std::optional<std::string> holder(const std::filesystem::path& database);

  /// `<db>.lock`.
  static std::filesystem::path path_for(const std::filesystem::path& database);

 private:
  std::filesystem::path path_;
  int fd_ = -1;
};

}  // namespace lethe::store
