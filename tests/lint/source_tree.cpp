// SPDX-License-Identifier: Apache-2.0
#include "tests/lint/source_tree.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>

#include "harness/base/text.h"

namespace lethe::test {
namespace {

// NUL-separated paths, empty where git does not know the folder.
std::string git_files(const std::filesystem::path& root) {
  const std::string command =
      "git -C '" + root.string() + "' ls-files -co --exclude-standard -z 2>/dev/null";
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  std::string paths;
  std::array<char, 4096> buffer;
  while (pipe) {
    const std::size_t count = fread(buffer.data(), 1, buffer.size(), pipe.get());
    if (count == 0) break;
    paths.append(buffer.data(), count);
  }
  return paths;
}

std::vector<std::string> walk(const std::filesystem::path& root) {
  std::vector<std::string> paths;
  auto it = std::filesystem::recursive_directory_iterator(root);
  for (; it != std::filesystem::recursive_directory_iterator(); ++it) {
    const std::string path = it->path().lexically_relative(root).generic_string();
    if (path == ".git" || path == ".deps" || path == "build" || path == "report") {
      it.disable_recursion_pending();
    } else if (it->is_regular_file()) {
      paths.push_back(path);
    }
  }
  return paths;
}

bool ends_with_any(std::string_view path, std::initializer_list<std::string_view> endings) {
  return std::any_of(endings.begin(), endings.end(),
                     [&](std::string_view ending) { return path.ends_with(ending); });
}

}  // namespace

std::vector<SourceFile> read_source_tree(const std::filesystem::path& root) {
  std::vector<std::string> paths = split(git_files(root), '\0');
  std::erase(paths, "");
  if (paths.empty()) paths = walk(root);
  std::sort(paths.begin(), paths.end());
  std::vector<SourceFile> files;
  for (const std::string& path : paths) {
    // A file may be deleted and not yet committed so.
    if (!std::filesystem::is_regular_file(root / path)) continue;
    files.push_back({path, read_file(root / path, ErrorKind::kData)});
  }
  return files;
}

bool is_header(std::string_view path) {
  return ends_with_any(path, {".h", ".hpp"});
}

bool is_cpp(std::string_view path) {
  return is_header(path) || ends_with_any(path, {".cpp", ".c"});
}

bool is_source(const SourceFile& file) {
  return is_cpp(file.path) || ends_with_any(file.path, {".sh", ".py", ".gp"}) ||
         file.text.starts_with("#!");
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines = split(text, '\n');
  if (!lines.empty() && lines.back().empty()) lines.pop_back();
  return lines;
}

}  // namespace lethe::test
