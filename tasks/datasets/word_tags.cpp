// SPDX-License-Identifier: Apache-2.0
#include "tasks/datasets/word_tags.h"

#include <algorithm>
#include <sstream>

#include "harness/base/error.h"
#include "harness/base/spec.h"
#include "harness/base/text.h"

namespace lethe::tasks {

std::vector<TaggedWord> parse_word_tags(const std::string& content, const std::string& where) {
  std::istringstream lines(content);
  std::vector<TaggedWord> words;
  std::int64_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    const auto parts = split(line, '\t');
    const bool three = parts.size() == 3 && !parts[2].empty();
    const std::int64_t begin = three ? parse_integer(parts[0]).value_or(-1) : -1;
    const std::int64_t end = three ? parse_integer(parts[1]).value_or(-1) : -1;
    const std::int64_t after = words.empty() ? 0 : static_cast<std::int64_t>(words.back().end);
    if (begin < after || end <= begin) {
      throw Error(ErrorKind::kData,
                  where + ": line " + std::to_string(number) +
                      ": expected begin, end and tag, separated by tabs, behind byte " +
                      std::to_string(after) + ", found '" + line.substr(0, 60) + "'");
    }
    words.push_back({static_cast<std::size_t>(begin), static_cast<std::size_t>(end), parts[2]});
  }
  return words;
}

std::vector<TaggedWord> read_word_tags(const std::filesystem::path& path) {
  return parse_word_tags(read_text_file(path), path.string());
}

std::string tag_of_token(const std::vector<TaggedWord>& words, std::size_t begin,
                         std::string_view text) {
  const std::size_t ink = text.find_first_not_of(" \t\r\n");
  if (ink == std::string_view::npos) {
    return text.find('\n') == std::string_view::npos ? "" : "newline";
  }
  const std::size_t at = begin + ink;
  const auto next = std::upper_bound(
      words.begin(), words.end(), at,
      [](std::size_t place, const TaggedWord& word) { return place < word.begin; });
  if (next == words.begin() || std::prev(next)->end <= at) return "";
  return std::prev(next)->tag;
}

}  // namespace lethe::tasks
