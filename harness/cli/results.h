// SPDX-License-Identifier: Apache-2.0
// The result database that a command writes.
#pragma once

#include <filesystem>

#include "harness/store/run_store.h"

namespace lethe::cli {

/// Opens `database` for writing; makes it, and its folder, where they are missing. Throws as
/// store::RunStore::open() does.
store::RunStore open_results(const std::filesystem::path& database);

}  // namespace lethe::cli
