// SPDX-License-Identifier: Apache-2.0
// What this program is: version, commit, compiler. Written into every row's provenance.
#pragma once

#include <string>

namespace lethe {

struct Version {
  std::string version;     ///< "0.1.0"
  std::string git_commit;  ///< 40 hex digits or "unknown"
  bool git_dirty;          ///< tracked files differed from the commit at build time
  std::string compiler;    ///< "GNU 12.2.0"
  std::string flags;       ///< "-O2 -g -DNDEBUG …": what the compiler was told, without paths
  std::string build_type;  ///< "RelWithDebInfo"
};

const Version& version();

/// Part of every cell key. Raised by hand when numbers may change; a golden of exact
/// bits fails when they change without it.
inline constexpr int kEngineVersion = 2;

}  // namespace lethe
