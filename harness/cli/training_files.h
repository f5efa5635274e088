// SPDX-License-Identifier: Apache-2.0
// What the trainers of the command line share: where recipes are, and who trained.
#pragma once

#include <filesystem>
#include <string>

#include "harness/base/json.h"
#include "harness/store/records.h"

namespace lethe::cli {

/// A recipe by name (FOLDER/NAME.json) or by path. Throws Error(kConfig) with a suggestion.
std::filesystem::path recipe_path(const std::string& given, const std::filesystem::path& folder);

/// This program, machine and time, for a file beside what was trained.
json::object training_provenance(int threads);

/// The same for the database.
store::ProvenanceRecord training_provenance_record(const std::string& device, int threads);

}  // namespace lethe::cli
