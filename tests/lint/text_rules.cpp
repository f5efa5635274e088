// SPDX-License-Identifier: Apache-2.0
#include "tests/lint/text_rules.h"

#include <algorithm>

#include "harness/base/error.h"
#include "harness/base/json.h"

namespace lethe::test {

std::vector<std::string> too_long(const std::vector<SourceFile>& files, std::size_t limit) {
  std::vector<std::string> found;
  for (const SourceFile& file : files) {
    if (!is_source(file) || file.path.starts_with("data/")) continue;
    const std::size_t lines = lines_of(file.text).size();
    if (lines > limit) {
      found.push_back(file.path + ": " + std::to_string(lines) + " lines, the limit is " +
                      std::to_string(limit) + "; split it by concept");
    }
  }
  return found;
}

std::vector<std::string> without_licence(const std::vector<SourceFile>& files) {
  std::vector<std::string> found;
  for (const SourceFile& file : files) {
    if (!is_source(file)) continue;
    const std::vector<std::string> lines = lines_of(file.text);
    const auto head_end = lines.begin() + std::min<std::ptrdiff_t>(3, std::ssize(lines));
    const bool has = std::any_of(lines.begin(), head_end, [](const std::string& line) {
      return line.ends_with(" SPDX-License-Identifier: Apache-2.0");
    });
    if (!has) found.push_back(file.path + ": no SPDX-License-Identifier: Apache-2.0 at its head");
  }
  return found;
}

std::map<std::string, std::string> parse_forbidden(const std::string& text) {
  std::map<std::string, std::string> forbidden;
  for (const std::string& line : lines_of(text)) {
    if (line.empty() || line.front() == '#') continue;
    const std::size_t gap = line.find(' ');
    const std::size_t reason = line.find_first_not_of(' ', gap);
    if (gap == std::string::npos || reason == std::string::npos) {
      throw Error(ErrorKind::kConfig, "forbidden.txt: '" + line + "' gives no reason");
    }
    forbidden[line.substr(0, gap)] = line.substr(reason);
  }
  return forbidden;
}

std::vector<std::string> with_forbidden_words(const std::vector<SourceFile>& files,
                                              const std::map<std::string, std::string>& forbidden) {
  std::vector<std::string> found;
  for (const SourceFile& file : files) {
    if (file.path == "tests/lint/forbidden.txt" || file.path.starts_with("data/samples/") ||
        file.path.starts_with("tests/golden/")) {
      continue;
    }
    for (const auto& [word, reason] : forbidden) {
      const std::size_t at = file.text.find(word);
      if (at == std::string::npos) continue;
      const auto line = 1 + std::count(file.text.begin(), file.text.begin() + at, '\n');
      found.push_back(file.path + ":" + std::to_string(line) + ": '" + word + "': " + reason);
    }
  }
  return found;
}

std::vector<std::string> broken_json(const std::vector<SourceFile>& files) {
  std::vector<std::string> found;
  const auto parse = [&](const std::string& text, const std::string& where) {
    try {
      parse_json(text, where, ErrorKind::kData);
    } catch (const Error& error) {
      found.push_back(error.what());
    }
  };
  for (const SourceFile& file : files) {
    if (file.path.ends_with(".json")) parse(file.text, file.path);
    if (!file.path.ends_with(".jsonl")) continue;
    std::size_t number = 0;
    for (const std::string& line : lines_of(file.text)) {
      ++number;
      parse(line, file.path + ":" + std::to_string(number));
    }
  }
  return found;
}

}  // namespace lethe::test
