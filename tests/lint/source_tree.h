// SPDX-License-Identifier: Apache-2.0
// The repository's own files as texts, for tests that judge the source.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::test {

/// One file: its path from the root, with '/', and its bytes.
struct SourceFile {
  std::string path;
  std::string text;
};

/// Every file of the working tree that git does not ignore; where git gives no answer, every file
/// outside .git, .deps, build and report.
std::vector<SourceFile> read_source_tree(const std::filesystem::path& root);

/// C and C++ sources and headers.
bool is_cpp(std::string_view path);
/// Sources of any language, scripts without an extension included; neither data nor documents.
bool is_source(const SourceFile& file);
bool is_header(std::string_view path);
std::vector<std::string> lines_of(const std::string& text);

}  // namespace lethe::test
