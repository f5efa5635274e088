// SPDX-License-Identifier: Apache-2.0
#include "harness/base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace lethe {

MappedFile::MappedFile(const std::filesystem::path& path, ErrorKind kind) {
  const auto fail = [&](const char* action, int code) {
    return Error(
        kind, std::string("cannot ") + action + " " + path.string() + ": " + std::strerror(code));
  };
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) throw fail("open", errno);
  struct stat info {};
  if (fstat(fd, &info) != 0) {
    const int code = errno;
    close(fd);
    throw fail("read", code);
  }
  if (!S_ISREG(info.st_mode) || info.st_size == 0) {
    close(fd);
    throw Error(kind,
                path.string() + (S_ISREG(info.st_mode) ? " is empty" : " is not a regular file"));
  }
  const auto size = static_cast<std::size_t>(info.st_size);
  void* address = mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  const int code = errno;
  close(fd);
  if (address == MAP_FAILED) throw fail("map", code);
  bytes_ = {static_cast<const std::byte*>(address), size};
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

MappedFile::MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  return *this;
}

}  // namespace lethe
