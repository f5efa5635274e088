// SPDX-License-Identifier: Apache-2.0
// A disk that is full after some writes, for SQLite alone.
#pragma once

namespace lethe::test {

/// While it lives, databases opened through SQLite's default VFS may write `bytes` more in all;
/// then every write fails with SQLITE_FULL. Databases have to be closed before it ends.
class FullDisk {
 public:
  explicit FullDisk(long long bytes);
  ~FullDisk();
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;
};

}  // namespace lethe::test
