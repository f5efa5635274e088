// SPDX-License-Identifier: Apache-2.0
// What the fuzz targets share: the one way in which bad input may end, and bytes as a file.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

#include "harness/base/error.h"

namespace lethe::test {

/// Runs `action`; an Error of this kind with a message is the right answer to bad input. Any other
/// exception leaves and ends the fuzzer.
template <typename Action>
void expect_errors(ErrorKind kind, Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    if (error.kind() != kind || std::string_view(error.what()).empty()) throw;
  }
}

/// A file in memory with these bytes, for readers that take a path.
class MemoryFile {
 public:
  MemoryFile(const std::uint8_t* bytes, std::size_t size)
      : descriptor_(memfd_create("fuzz", MFD_CLOEXEC)) {
    if (descriptor_ < 0 || write(descriptor_, bytes, size) != static_cast<ssize_t>(size)) {
      std::abort();
    }
  }
  ~MemoryFile() { close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  std::filesystem::path path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
};

}  // namespace lethe::test
