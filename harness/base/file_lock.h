// SPDX-License-Identifier: Apache-2.0
// A lock between processes that names its holder and ends with its process.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "harness/base/clock.h"

namespace lethe {

/// Tries to lock a file (an open file description lock) and holds it for as long as it lives. The
/// kernel frees it when the process ends, however it ends; the file then stays behind with a dead
/// holder's text and is taken over by the next one. Child processes do not inherit it.
class FileLock {
 public:
  /// `command` tells others what is being done. Throws Error(kStore) when the file cannot be
  /// written or its file system has no locks.
  FileLock(std::filesystem::path path, const std::string& command,
           const Clock& clock = system_clock());
  /// Removes the file when it held the lock.
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

  /// Host, pid, start time and command of the process that has the lock; nothing when it is ours.
  const std::optional<std::string>& other() const { return other_; }

  /// Who holds the lock just now; nothing when nobody does. Takes nothing.
  static std::optional<std::string> holder(const std::filesystem::path& path);

 private:
  std::filesystem::path path_;
  int fd_ = -1;  ///< -1 when the lock is another's
  std::optional<std::string> other_;
};

}  // namespace lethe
