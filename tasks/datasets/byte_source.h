// SPDX-License-Identifier: Apache-2.0
// The bytes of a data file, one after the other, with the line they stand in. Internal to this
// room.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tasks/datasets/archive_reader.h"

namespace lethe::tasks {

/// Where a path leads: a file, and for an archive the member in it.
struct DataPlace {
  std::filesystem::path file;
  std::string member;  ///< empty for a file that is no archive
};

/// Finds the file in "archive.zip/path/in/archive.jsonl". Throws Error(kData) when no part of the
/// path is a file, or when a plain file is followed by more.
DataPlace find_place(const std::filesystem::path& path);

/// The unpacked bytes of a file or member, without a byte order mark at the beginning.
class ByteSource {
 public:
  static constexpr int kEnd = -1;

  /// `path` is for messages. Throws Error(kData) when there is nothing readable at `place`; an
  /// unknown member comes with a suggestion.
  ByteSource(const std::filesystem::path& path, const DataPlace& place);

  /// The next byte, or kEnd. Throws Error(kData) on damage.
  int peek() {
    if (at_ == filled_ && !fill()) return kEnd;
    return static_cast<unsigned char>(buffer_[at_]);
  }
  int get() {
    const int byte = peek();
    if (byte == kEnd) return byte;
    ++at_;
    if (byte == '\n') ++line_;
    return byte;
  }
  /// Bytes that are at hand, consumed; none at the end. Lines are not counted.
  std::string_view take_block() {
    if (peek() == kEnd) return {};
    const std::size_t from = std::exchange(at_, filled_);
    return {buffer_.data() + from, filled_ - from};
  }
  /// Appends bytes up to and without the next "\n", which is consumed. False at the end, when there
  /// was not a byte left. Throws Error(kData) when they are more than `limit`.
  bool append_line(std::string& line, std::size_t limit);

  /// Line of the next byte, from 1.
  std::int64_t line() const { return line_; }
  /// "PATH:LINE" for a line.
  std::string where(std::int64_t line) const { return name_ + ":" + std::to_string(line); }
  const std::string& name() const { return name_; }

 private:
  bool fill();
  void find_member(const std::string& member);

  std::string name_;
  ArchiveReader reader_;
  std::vector<char> buffer_;
  std::size_t at_ = 0;
  std::size_t filled_ = 0;
  std::int64_t line_ = 1;
};

}  // namespace lethe::tasks
