// SPDX-License-Identifier: Apache-2.0
// Strings as Python has them, sequences of code points, over UTF-8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::models::jinja {

struct CodePoint {
  char32_t code;
  std::size_t bytes;
};

/// All texts here are valid UTF-8. The code point that begins at byte `at`.
CodePoint code_point_at(std::string_view text, std::size_t at);
void append_utf8(std::string& text, char32_t code);
std::size_t code_points_in(std::string_view text);
/// One string per code point.
std::vector<std::string> characters(std::string_view text);
/// Python's str.isspace() of one code point.
bool is_space(char32_t code);

enum class Side { kLeft, kRight, kBoth };
/// Python's strip(): white space.
std::string_view strip(std::string_view text, Side side);
/// Python's strip(chars): any of the code points of `set`.
std::string_view strip(std::string_view text, std::string_view set, Side side);

/// Python's str.upper(), lower(), title() and capitalize() for ASCII, Latin-1, Greek, Cyrillic and
/// scripts without case. Throws Fault for a letter whose case is not known here.
std::string upper(std::string_view text);
std::string lower(std::string_view text);
std::string title(std::string_view text);
std::string capitalize(std::string_view text);

/// Python's split() and rsplit(); `most` < 0: no limit.
std::vector<std::string> split_spaces(std::string_view text, std::int64_t most, bool from_right);
std::vector<std::string> split_at(std::string_view text, std::string_view separator,
                                  std::int64_t most, bool from_right);
/// Python's splitlines().
std::vector<std::string> split_lines(std::string_view text);

}  // namespace lethe::models::jinja
