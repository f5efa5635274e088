// SPDX-License-Identifier: Apache-2.0
#include "tasks/datasets/archive_reader.h"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <array>
#include <utility>

#include "harness/base/error.h"
#include "harness/base/text.h"
#include "tasks/datasets/utf8_locale.h"

namespace lethe::tasks {

namespace {

constexpr std::size_t kBlockBytes = 1 << 16;

const char* expected_content(Packing packing) {
  switch (packing) {
    case Packing::kNone:
      return "a readable file";
    case Packing::kGzip:
      return "a whole gzip file";
    case Packing::kXz:
      return "a whole xz file";
    case Packing::kZip:
      return "a whole zip archive";
    case Packing::kTar:
      return "a whole tar archive";
  }
  return "a readable file";
}

/// Formats and filters that run other programs, or that no owner uses, stay off.
void allow(archive* handle, Packing packing) {
  switch (packing) {
    case Packing::kNone:
      break;
    case Packing::kGzip:
      archive_read_support_filter_gzip(handle);
      break;
    case Packing::kXz:
      archive_read_support_filter_xz(handle);
      break;
    case Packing::kZip:
      // By its directory, which stands at the end: without it an archive is cut short.
      archive_read_support_format_zip_seekable(handle);
      return;
    case Packing::kTar:
      archive_read_support_filter_gzip(handle);
      archive_read_support_filter_xz(handle);
      archive_read_support_filter_bzip2(handle);
      archive_read_support_filter_zstd(handle);
      archive_read_support_format_tar(handle);
      return;
  }
  archive_read_support_format_raw(handle);
  archive_read_support_format_empty(handle);
}

MemberKind kind_of(archive_entry* entry) {
  if (archive_entry_hardlink(entry)) return MemberKind::kHardLink;
  switch (archive_entry_filetype(entry)) {
    case AE_IFREG:
      return MemberKind::kFile;
    case AE_IFDIR:
      return MemberKind::kFolder;
    case AE_IFLNK:
      return MemberKind::kSymbolicLink;
    default:
      return MemberKind::kDevice;
  }
}

std::string text_or_empty(const char* text) {
  return text ? text : "";
}

}  // namespace

Packing packing_of(const std::filesystem::path& file) {
  constexpr std::array<std::pair<std::string_view, Packing>, 10> ends{{{".tar.gz", Packing::kTar},
                                                                       {".tar.xz", Packing::kTar},
                                                                       {".tar.bz2", Packing::kTar},
                                                                       {".tar.zst", Packing::kTar},
                                                                       {".tgz", Packing::kTar},
                                                                       {".txz", Packing::kTar},
                                                                       {".tar", Packing::kTar},
                                                                       {".zip", Packing::kZip},
                                                                       {".gz", Packing::kGzip},
                                                                       {".xz", Packing::kXz}}};
  std::string name = file.filename().string();
  std::transform(name.begin(), name.end(), name.begin(), [](char letter) {
    return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
  });
  for (const auto& [end, packing] : ends) {
    if (name.size() > end.size() && name.ends_with(end)) return packing;
  }
  return Packing::kNone;
}

struct ArchiveReader::State {
  archive* handle = archive_read_new();
  bool single_given = false;
  bool no_bytes = false;  ///< a file of no bytes, of which libarchive reads nothing
  ~State() { archive_read_free(handle); }
};

ArchiveReader::ArchiveReader(const std::filesystem::path& file)
    : file_(file), packing_(packing_of(file)), state_(std::make_unique<State>()) {
  LETHE_ASSERT(state_->handle, "libarchive gives no reader");
  if (std::error_code ec; std::filesystem::is_directory(file, ec)) {
    throw Error(ErrorKind::kData, "cannot read " + file.string() + ": it is a folder; expected " +
                                      expected_content(packing_));
  }
  const Utf8Locale locale;
  allow(state_->handle, packing_);
  if (archive_read_open_filename(state_->handle, file.c_str(), kBlockBytes) != ARCHIVE_OK) {
    fail("");
  }
}

ArchiveReader::~ArchiveReader() = default;

void ArchiveReader::fail(std::string_view found) const {
  const std::string reason =
      found.empty() ? text_or_empty(archive_error_string(state_->handle)) : std::string(found);
  throw Error(ErrorKind::kData, file_.string() + ": expected " + expected_content(packing_) +
                                    ", found: " + (reason.empty() ? "damaged bytes" : reason) +
                                    "; get the file again");
}

std::optional<ArchiveMember> ArchiveReader::next() {
  const Utf8Locale locale;
  archive_entry* entry = nullptr;
  const int code = archive_read_next_header(state_->handle, &entry);
  const bool single = !holds_members(packing_);
  if (code == ARCHIVE_EOF) {
    // No bytes at all are an empty single file, and no archive.
    if (single && !std::exchange(state_->single_given, true)) {
      if (packing_ != Packing::kNone) fail("no bytes");
      state_->no_bytes = true;
      return ArchiveMember{};
    }
    return std::nullopt;
  }
  if (code != ARCHIVE_OK) fail("");
  if (single) {
    state_->single_given = true;
    const int wanted = packing_ == Packing::kGzip ? ARCHIVE_FILTER_GZIP
                       : packing_ == Packing::kXz ? ARCHIVE_FILTER_XZ
                                                  : ARCHIVE_FILTER_NONE;
    if (archive_filter_code(state_->handle, 0) != wanted) fail("other bytes than its name says");
    return ArchiveMember{};
  }
  ArchiveMember member;
  member.path = text_or_empty(archive_entry_pathname(entry));
  if (member.path.empty() || first_invalid_utf8(member.path))
    fail("a member without a name in UTF-8");
  member.kind = kind_of(entry);
  if (member.kind == MemberKind::kHardLink) {
    member.target = text_or_empty(archive_entry_hardlink(entry));
  } else if (member.kind == MemberKind::kSymbolicLink) {
    member.target = text_or_empty(archive_entry_symlink(entry));
  }
  if (archive_entry_size_is_set(entry)) member.size = archive_entry_size(entry);
  return member;
}

std::size_t ArchiveReader::read(char* bytes, std::size_t size) {
  if (state_->no_bytes) return 0;
  const la_ssize_t count = archive_read_data(state_->handle, bytes, size);
  if (count < 0) fail("");
  return static_cast<std::size_t>(count);
}

}  // namespace lethe::tasks
