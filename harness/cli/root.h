// SPDX-License-Identifier: Apache-2.0
// Where this program finds its data files and its other half.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace lethe::cli {

/// Folder that holds data/: $LETHE_ROOT (the launcher sets it), else the source tree this program
/// was built from, else a parent folder of the program. Throws Error(kConfig) when none has it.
const std::filesystem::path& root_folder();

/// The program `lethe-engine`, beside this one. Throws Error(kConfig) when it was not built.
std::filesystem::path engine_program();

/// Replaces this process by `lethe-engine COMMAND WORDS…`. Only returns by throwing.
int exec_engine(const std::string& command, const std::vector<std::string>& words);

/// Sets OMP_WAIT_POLICY=passive for programs started from here: LibTorch's OpenMP would otherwise
/// spin on shared cores, which costs a factor of 4 to 10. A value the user set stays.
void prepare_engine_environment();

}  // namespace lethe::cli
