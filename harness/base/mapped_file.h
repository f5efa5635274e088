// SPDX-License-Identifier: Apache-2.0
// A file mapped read-only: workers that open the same checkpoint share its pages.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

#include "harness/base/error.h"

namespace lethe {

/// Read-only memory map of a whole file. Movable; the bytes live as long as the object.
class MappedFile {
 public:
  /// Throws Error(kind) when the file cannot be opened, is a folder, or is empty.
  MappedFile(const std::filesystem::path& path, ErrorKind kind);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
};

}  // namespace lethe
