// SPDX-License-Identifier: Apache-2.0
// What a program knows of itself, for the rows it makes.
#pragma once

#include "harness/store/records.h"

namespace lethe::store {

/// Fills in what this program is and runs on: version, commit, compiler, flags, build type, kernel.
void name_program(ProvenanceRecord& record);

}  // namespace lethe::store
