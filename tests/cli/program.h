// SPDX-License-Identifier: Apache-2.0
// Runs the real programs as child processes.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace lethe::test {

struct Outcome {
  int code = -1;  ///< exit status; 128 + signal when the shell says so
  std::string out;
  std::string err;
};

/// Runs a shell line in `folder`, with `lethe` and `lethe-engine` of this build in PATH.
Outcome shell(const std::string& line, const std::filesystem::path& folder);

std::vector<std::string> lines_of(const std::string& text);

}  // namespace lethe::test
