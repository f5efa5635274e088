// SPDX-License-Identifier: Apache-2.0
// Tags of the words of a text, from a file: what a tagger of the user's said.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::tasks {

/// One tagged word: bytes [begin, end) of the text.
struct TaggedWord {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::string tag;
};

/// Reads lines "begin<TAB>end<TAB>tag", byte offsets, in order and not overlapping. Throws
/// Error(kData) that names `where` and the line.
std::vector<TaggedWord> parse_word_tags(const std::string& content, const std::string& where);

/// The same of a file. Throws Error(kData) that names file and line.
std::vector<TaggedWord> read_word_tags(const std::filesystem::path& path);

/// Tag of a token that stands at bytes [begin, begin + text.size()) of the text: that of the word
/// in which its first byte lies that is not white space. "newline" for line ends alone, as the
/// paper counts them; "" for other white space and where no word lies.
std::string tag_of_token(const std::vector<TaggedWord>& words, std::size_t begin,
                         std::string_view text);

}  // namespace lethe::tasks
