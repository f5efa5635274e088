// SPDX-License-Identifier: Apache-2.0
// The arrows between rooms (tests/lint/arrows.txt) and the includes that break them.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/lint/source_tree.h"

namespace lethe::test {

struct Arrows {
  std::vector<std::pair<std::string, std::string>> rooms;  ///< path prefix, room
  std::map<std::string, std::set<std::string>> may;        ///< room -> rooms it may include
  std::map<std::string, std::vector<std::string>> only;    ///< include prefix -> globs of files
  std::set<std::string> generated;                         ///< headers made by the build

  /// Room of a path, "" when it is in none.
  std::string room_of(std::string_view path) const;
};

/// Parses the text of arrows.txt. Throws Error(kConfig) that names the line.
Arrows parse_arrows(const std::string& text);

/// One line per forbidden include, "file:line: …"; files outside every room are not judged.
std::vector<std::string> broken_arrows(const Arrows& arrows, const std::vector<SourceFile>& files);

}  // namespace lethe::test
