// SPDX-License-Identifier: Apache-2.0
#include "tests/store/full_disk.h"

#include <sqlite3.h>

#include <map>

namespace lethe::test {
namespace {

sqlite3_vfs* real_vfs = nullptr;
sqlite3_vfs shim_vfs;
long long bytes_left = 0;
// Each kind of file of the real VFS has its table of methods; ours are copies with another xWrite.
std::map<const sqlite3_io_methods*, sqlite3_io_methods> shim_methods;
std::map<const sqlite3_io_methods*, const sqlite3_io_methods*> real_methods;

int limited_write(sqlite3_file* file, const void* data, int size, sqlite3_int64 offset) {
  bytes_left -= size;
  if (bytes_left < 0) return SQLITE_FULL;
  return real_methods.at(file->pMethods)->xWrite(file, data, size, offset);
}

int limited_open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  const int rc = real_vfs->xOpen(real_vfs, name, file, flags, out_flags);
  if (rc == SQLITE_OK && file->pMethods) {
    auto [entry, fresh] = shim_methods.try_emplace(file->pMethods, *file->pMethods);
    if (fresh) {
      entry->second.xWrite = limited_write;
      real_methods[&entry->second] = file->pMethods;
    }
    file->pMethods = &entry->second;
  }
  return rc;
}

}  // namespace

FullDisk::FullDisk(long long bytes) {
  real_vfs = sqlite3_vfs_find(nullptr);
  shim_vfs = *real_vfs;
  shim_vfs.zName = "full-disk";
  shim_vfs.xOpen = limited_open;
  bytes_left = bytes;
  sqlite3_vfs_register(&shim_vfs, 1);
}

FullDisk::~FullDisk() {
  sqlite3_vfs_unregister(&shim_vfs);
  sqlite3_vfs_register(real_vfs, 1);
}

}  // namespace lethe::test
