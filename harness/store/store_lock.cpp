// SPDX-License-Identifier: Apache-2.0
#include "harness/store/store_lock.h"

#include "harness/base/error.h"

namespace lethe::store {

std::filesystem::path StoreLock::path_for(const std::filesystem::path& database) {
  // Whatever name the database is called by, links included, it has one lock.
  std::error_code ec;
  const auto canonical = std::filesystem::weakly_canonical(database, ec);
  return (ec ? database : canonical).string() + ".lock";
}

std::optional<std::string> StoreLock::holder(const std::filesystem::path& database) {
  return FileLock::holder(path_for(database));
}

StoreLock::StoreLock(const std::filesystem::path& database, const std::string& command,
                     const Clock& clock)
    : lock_(path_for(database), command, clock) {
  if (lock_.other()) {
    throw Error(ErrorKind::kStore, database.string() + " is in use by another run (" +
                                       *lock_.other() +
                                       "); wait for it, stop it, or use another --db");
  }
}

}  // namespace lethe::store
