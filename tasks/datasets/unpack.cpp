// SPDX-License-Identifier: Apache-2.0
#include "tasks/datasets/unpack.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <utility>

#include "harness/base/error.h"
#include "harness/base/text.h"
#include "tasks/datasets/archive_reader.h"

namespace lethe::tasks {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMostMembers = 100000;
constexpr std::size_t kBufferBytes = 1 << 18;

[[noreturn]] void refuse(const fs::path& archive, const std::string& member,
                         const std::string& why) {
  throw Error(ErrorKind::kData, archive.string() + ": member '" + member + "' is refused: " + why +
                                    "; nothing was unpacked. If the archive is what its owner "
                                    "publishes, unpack what you need by hand and use --data");
}

/// The name without "." and doubled slashes; a reason to refuse it in `why` otherwise.
std::string plain_path(const std::string& path, std::string& why) {
  if (path.starts_with('/')) why = "its path is absolute";
  std::string plain;
  for (const auto& part : split(path, '/')) {
    if (part == "..") why = "its path has '..'";
    const auto strange = [](unsigned char c) { return c < 0x20 || c == 0x7f || c == '\\'; };
    if (std::any_of(part.begin(), part.end(), strange)) {
      why = "its name has a backslash or a control character";
    }
    if (part.empty() || part == ".") continue;
    if (!plain.empty()) plain += '/';
    plain += part;
  }
  return plain;
}

/// What stands in an archive, judged.
class Contents {
 public:
  Contents(const fs::path& archive, const UnpackRule& rule,
           const std::function<bool()>& interrupted)
      : archive_(archive), rule_(rule) {
    ArchiveReader reader(archive);
    while (const auto member = reader.next()) {
      if (interrupted()) throw Error(ErrorKind::kInterrupted, "interrupted while unpacking");
      add(*member);
    }
    check_folders();
    if (taken_ == 0) {
      throw Error(ErrorKind::kData, archive.string() + ": expected files" +
                                        (rule.from.empty() ? "" : " below '" + rule.from + "'") +
                                        ", found none; it is not the archive that Lethe knows");
    }
  }

  /// Where a member goes below the folder; "" for one that is not taken.
  std::string target(const ArchiveMember& member) const {
    std::string why;
    const auto path = plain_path(member.path, why);
    if (!why.empty()) refuse(archive_, member.path, why);
    if (member.kind != MemberKind::kFile || !path.starts_with(rule_.from)) return "";
    return path.substr(rule_.from.size());
  }

 private:
  void add(const ArchiveMember& member) {
    std::string why;
    const auto path = plain_path(member.path, why);
    switch (member.kind) {
      case MemberKind::kSymbolicLink:
        why = "it is a symbolic link (to '" + member.target + "')";
        break;
      case MemberKind::kHardLink:
        why = "it is a hard link (to '" + member.target + "')";
        break;
      case MemberKind::kDevice:
        why = "it is a device, pipe or socket";
        break;
      default:
        break;
    }
    const bool folder = member.kind == MemberKind::kFolder;
    if (path.empty() && !folder) why = "its path is empty";
    if (why.empty() && !path.empty() && !kinds_.emplace(path, member.kind).second &&
        !(folder && kinds_.at(path) == MemberKind::kFolder)) {
      why = "its name stands there twice";
    }
    if (kinds_.size() > kMostMembers) why = "there are more than 100,000 members";
    bytes_ += member.size.value_or(0);
    if (member.size.value_or(0) < 0 || bytes_ > rule_.most_bytes) why = too_large();
    if (!why.empty()) refuse(archive_, member.path, why);
    if (!target(member).empty()) ++taken_;
  }

  void check_folders() const {
    for (const auto& [path, kind] : kinds_) {
      for (auto slash = path.find('/'); slash != std::string::npos;
           slash = path.find('/', slash + 1)) {
        const auto parent = kinds_.find(path.substr(0, slash));
        if (parent != kinds_.end() && parent->second == MemberKind::kFile) {
          refuse(archive_, path, "'" + parent->first + "' is a file and cannot hold it");
        }
      }
    }
  }

  std::string too_large() const {
    return "with it the archive unpacks to more than the " +
           human_bytes(static_cast<double>(rule_.most_bytes)) + " it may have";
  }

  const fs::path& archive_;
  const UnpackRule& rule_;
  std::map<std::string, MemberKind> kinds_;
  std::int64_t bytes_ = 0;
  std::int64_t taken_ = 0;
};

/// A file that this process has just made. Throws Error(kResource) when the disk refuses.
class NewFile {
 public:
  explicit NewFile(const fs::path& path)
      : path_(path),
        descriptor_(
            ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644)) {
    if (descriptor_ < 0) fail();
  }
  ~NewFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  void write(const char* bytes, std::size_t size) {
    while (size > 0) {
      const ssize_t count = ::write(descriptor_, bytes, size);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) fail();
      bytes += count;
      size -= static_cast<std::size_t>(count);
    }
  }
  void close() {
    if (::close(std::exchange(descriptor_, -1)) != 0) fail();
  }

 private:
  [[noreturn]] void fail() const {
    throw Error(ErrorKind::kResource, "cannot write " + path_.string() + ": " +
                                          std::strerror(errno) +
                                          "; make room, or choose another folder with --data");
  }
  fs::path path_;
  int descriptor_;
};

}  // namespace

std::vector<std::string> unpack(const fs::path& archive, const fs::path& folder,
                                const UnpackRule& rule, const std::function<bool()>& interrupted) {
  const Contents contents(archive, rule, interrupted);
  if (!fs::create_directories(folder)) {
    throw Error(ErrorKind::kInternal, folder.string() + ": expected no such folder yet");
  }
  std::vector<std::string> files;
  std::vector<char> buffer(kBufferBytes);
  std::int64_t left = rule.most_bytes;  // sizes in headers may lie; what is written is counted
  ArchiveReader reader(archive);
  while (const auto member = reader.next()) {
    const auto target = contents.target(*member);
    if (target.empty()) continue;
    fs::create_directories((folder / target).parent_path());
    NewFile file(folder / target);
    while (const auto count = reader.read(buffer.data(), buffer.size())) {
      if (interrupted()) throw Error(ErrorKind::kInterrupted, "interrupted while unpacking");
      left -= static_cast<std::int64_t>(count);
      if (left < 0) {
        refuse(archive, member->path,
               "it unpacks to more bytes than the archive may have, and "
               "than it says");
      }
      file.write(buffer.data(), count);
    }
    file.close();
    files.push_back(target);
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace lethe::tasks
