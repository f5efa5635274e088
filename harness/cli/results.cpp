// SPDX-License-Identifier: Apache-2.0
#include "harness/cli/results.h"

#include <system_error>

namespace lethe::cli {

store::RunStore open_results(const std::filesystem::path& database) {
  if (database.has_parent_path()) {
    std::error_code ec;
    create_directories(database.parent_path(), ec);  // a failure shows when the file is opened
  }
  return store::RunStore::open(database, store::OpenMode::kReadWriteCreate);
}

}  // namespace lethe::cli
