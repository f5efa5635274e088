// SPDX-License-Identifier: Apache-2.0
// Rules on single files: length, licence line, words that must not appear, JSON that must parse.
// Each returns one line per violation.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/lint/source_tree.h"

namespace lethe::test {

/// Sources over `limit` lines; data and goldens are not sources.
std::vector<std::string> too_long(const std::vector<SourceFile>& files, std::size_t limit);

/// Sources without "SPDX-License-Identifier: Apache-2.0" in their first three lines.
std::vector<std::string> without_licence(const std::vector<SourceFile>& files);

/// Words of tests/lint/forbidden.txt, each with its reason.
std::map<std::string, std::string> parse_forbidden(const std::string& text);
/// Files that hold one of them. Sample texts and golden vectors are other people's words.
std::vector<std::string> with_forbidden_words(const std::vector<SourceFile>& files,
                                              const std::map<std::string, std::string>& forbidden);

/// .json files, and lines of .jsonl files, that do not parse.
std::vector<std::string> broken_json(const std::vector<SourceFile>& files);

}  // namespace lethe::test
