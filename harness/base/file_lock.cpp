// SPDX-License-Identifier: Apache-2.0
#include "harness/base/file_lock.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "harness/base/error.h"
#include "harness/base/host.h"

namespace lethe {
namespace {

// The whole file, for writing. Owned by the open file description: the kernel frees it with the
// last descriptor, and asking for it (F_OFD_GETLK) takes nothing.
struct flock whole_file() {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

std::string read_holder(int fd) {
  char text[1024];
  const ssize_t size = pread(fd, text, sizeof text, 0);
  return size > 0 ? std::string(text, static_cast<std::size_t>(size))
                  : "a process that has just started";
}

// A holder removes its file at the end; a lock on a removed file locks nobody out.
bool still_at(const std::filesystem::path& path, int fd) {
  struct stat open_file {
  }, named_file{};
  return fstat(fd, &open_file) == 0 && stat(path.c_str(), &named_file) == 0 &&
         open_file.st_dev == named_file.st_dev && open_file.st_ino == named_file.st_ino;
}

}  // namespace

std::optional<std::string> FileLock::holder(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  struct flock lock = whole_file();
  std::optional<std::string> found;
  if (fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK) found = read_holder(fd);
  ::close(fd);
  return found;
}

FileLock::FileLock(std::filesystem::path path, const std::string& command, const Clock& clock)
    : path_(std::move(path)) {
  while (true) {
    fd_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd_ < 0) {
      throw Error(ErrorKind::kStore, "cannot lock " + path_.string() + ": " + std::strerror(errno));
    }
    struct flock lock = whole_file();
    if (fcntl(fd_, F_OFD_SETLK, &lock) != 0) {
      const int reason = errno;
      std::string holder = read_holder(fd_);
      ::close(fd_);
      if (reason == EINTR) continue;
      if (reason != EAGAIN && reason != EACCES) {
        throw Error(ErrorKind::kStore, "cannot lock " + path_.string() + ": " +
                                           std::strerror(reason) +
                                           "; use a folder on a local disk");
      }
      fd_ = -1;
      other_ = std::move(holder);
      return;
    }
    if (still_at(path_, fd_)) break;
    ::close(fd_);
  }
  const std::string holder = "host " + host_name() + ", pid " + std::to_string(getpid()) +
                             ", since " + utc_text(clock.unix_ms()) + ", command " +
                             command.substr(0, 700);
  // The text only helps people; the lock holds without it (a full disk must not stop a resume that
  // has nothing to write).
  if (ftruncate(fd_, 0) == 0 && pwrite(fd_, holder.data(), holder.size(), 0) < 0) errno = 0;
}

FileLock::~FileLock() {
  if (fd_ < 0) return;
  ::unlink(path_.c_str());
  ::close(fd_);
}

}  // namespace lethe
