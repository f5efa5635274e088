// SPDX-License-Identifier: Apache-2.0
// Memory that the processes of a run share: large constant data held once, not once a process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

namespace lethe {

/// Named blobs of bytes in an anonymous file (SharedMemory): one process makes a blob, all others
/// map its pages.
///
/// Sharing saves memory and is never needed: where it does not work (no room in the table or in
/// memory, another size under the name), get() gives nothing and the caller keeps a copy of its
/// own. Who makes and who uses a blob is known by file locks, which end with their process: one
/// that is killed leaves neither a half-made blob nor a user behind.
class SharedBlobs {
 public:
  /// Writes the bytes of a blob, all of them. Must not use the object whose get() called it.
  using Fill = std::function<void(std::span<std::byte>)>;

  /// `fd` is a SharedMemory's; it stays the caller's. Throws Error(kResource) when it is not.
  explicit SharedBlobs(int fd);

  /// The blob `name` of `bytes` bytes, read-only, aligned to a page. Made by `fill` where no
  /// process has made it; waits while another one makes it. Its memory is freed with the last
  /// pointer of the last process. Empty where it cannot be shared. What `fill` throws comes
  /// through, and the next caller, in whatever process, fills again. May be called from several
  /// threads; they take turns.
  std::shared_ptr<const std::byte> get(const std::string& name, std::size_t bytes,
                                       const Fill& fill);

  /// Frees what no living process makes or uses: what killed ones have left. Does not wait; false
  /// when another process was at the table, so that it is worth trying again.
  bool free_unused();

  class File;  // internal

 private:
  std::shared_ptr<File> file_;
};

/// An anonymous file in memory, empty at first, for SharedBlobs in this process and those it
/// starts. It lives as long as one of them has it open.
class SharedMemory {
 public:
  /// Nothing where the system does not give one.
  static std::unique_ptr<SharedMemory> create();
  ~SharedMemory();
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;

  /// At least 16, and closed on exec: give a child a copy under a number of its own.
  int fd() const { return fd_; }
  /// Memory that all blobs and their table (64 KiB) take, bytes.
  std::int64_t held_bytes() const;
  /// As of SharedBlobs.
  bool free_unused() { return blobs_->free_unused(); }

 private:
  explicit SharedMemory(int fd) : fd_(fd) {}

  int fd_;
  std::unique_ptr<SharedBlobs> blobs_;
};

}  // namespace lethe
