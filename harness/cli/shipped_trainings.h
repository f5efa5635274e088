// SPDX-License-Identifier: Apache-2.0
// Learning curves of parameters that ship, brought into a result database for its report.
#pragma once

#include <filesystem>

#include "harness/grid/suite.h"
#include "policies/namm/parameters.h"

namespace lethe::cli {

/// Stores the training run that parameters tell of, with its curves, unless the database has it or
/// they tell of none. Throws Error(kStore) when the database is locked or cannot be written.
void store_namm_training(const policies::NammParameters& parameters,
                         const std::filesystem::path& database);

/// Stores, for every policy `namm:weights=NAME` of the suite whose file tells how it was evolved,
/// that training run with its curves, unless the database has it. Throws Error(kStore) when the
/// database is locked or cannot be written.
void store_shipped_trainings(const grid::Suite& suite, const std::filesystem::path& database);

}  // namespace lethe::cli
