// SPDX-License-Identifier: Apache-2.0
// Archives (zip, tar) and single compressed files, read front to back through libarchive. Internal
// to this room.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace lethe::tasks {

/// How the name of a file says it is packed. The name decides, never the content: a file that is
/// not what its name says is an error.
enum class Packing { kNone, kGzip, kXz, kZip, kTar };

/// .gz, .xz, .zip; .tar, .tgz, .txz and .tar.{gz,xz,bz2,zst}. Upper case counts as lower case.
Packing packing_of(const std::filesystem::path& file);
inline bool holds_members(Packing packing) {
  return packing == Packing::kZip || packing == Packing::kTar;
}

/// What one member of an archive is.
enum class MemberKind { kFile, kFolder, kSymbolicLink, kHardLink, kDevice };

struct ArchiveMember {
  std::string path;  ///< as stored
  MemberKind kind = MemberKind::kFile;
  std::string target;                ///< of a link
  std::optional<std::int64_t> size;  ///< bytes when unpacked, where the archive says so
};

/// Reads one file of any packing. Not thread-safe.
class ArchiveReader {
 public:
  /// Throws Error(kData) when the file cannot be opened or is not what its name says.
  explicit ArchiveReader(const std::filesystem::path& file);
  ~ArchiveReader();
  ArchiveReader(const ArchiveReader&) = delete;
  ArchiveReader& operator=(const ArchiveReader&) = delete;

  /// The next member; nothing at the end. What is not packed as an archive has one member, a file
  /// without a path. Throws Error(kData) when the archive is damaged or cut short.
  std::optional<ArchiveMember> next();

  /// Up to `size` bytes of the member that next() gave; 0 at its end. Throws Error(kData) when they
  /// are damaged or cut short.
  std::size_t read(char* bytes, std::size_t size);

 private:
  struct State;
  [[noreturn]] void fail(std::string_view found) const;
  std::filesystem::path file_;
  Packing packing_;
  std::unique_ptr<State> state_;
};

}  // namespace lethe::tasks
