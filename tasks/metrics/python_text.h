// SPDX-License-Identifier: Apache-2.0
// What Python's str methods and regular expressions do, for scorers whose owners wrote Python.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::tasks {

/// Code points of valid UTF-8, and back.
std::u32string to_code_points(std::string_view text);
std::string to_utf8(std::u32string_view text);

/// str.isspace() and \s: Unicode white space, U+001C to U+001F included, U+200B not.
bool is_python_space(char32_t c);
/// \d: decimal digits of every script.
bool is_python_digit(char32_t c);
/// \w: letters, numbers of every kind and "_"; no combining marks.
bool is_python_word(char32_t c);
/// One of string.punctuation, the 32 ASCII ones.
bool is_ascii_punctuation(char32_t c);

/// str.lower(): a sigma at the end of a word becomes the final one, İ becomes i and U+0307.
std::u32string python_lower(std::u32string_view text);
std::string python_lower(std::string_view text);

/// str.upper(), but for the rare letters other than ß that become several.
std::u32string python_upper(std::u32string_view text);

/// str.split() without argument: runs of white space separate, no piece is empty.
std::vector<std::u32string_view> python_split(std::u32string_view text);
std::vector<std::string> python_split(std::string_view text);
/// str.split(separator) with one character: empty pieces stay.
std::vector<std::u32string_view> split_at(std::u32string_view text, char32_t separator);
/// str.strip().
std::u32string_view python_strip(std::u32string_view text);
std::string python_strip(std::string_view text);

/// Every run of decimal digits (re.findall(r"\d+")), in order.
std::vector<std::u32string_view> digit_runs(std::u32string_view text);
/// Integer as int() reads it (sign, "_" between digits, digits of any script, white space around),
/// in canonical decimal form of any length; nothing where int() raises.
std::optional<std::string> python_int(std::u32string_view text);
/// Value of digits of any script with at most one ".", as float() reads them.
double python_float(std::u32string_view number);
/// The text with each of these characters replaced by a blank.
std::u32string blanked(std::u32string_view text, std::u32string_view characters);
/// The text without the characters of which `drop` says so.
template <typename Drop>
std::u32string without(std::u32string_view text, Drop&& drop) {
  std::u32string kept;
  kept.reserve(text.size());
  for (const char32_t c : text) {
    if (!drop(c)) kept += c;
  }
  return kept;
}

/// round(value) of Python: halves go to the even neighbour.
double round_half_even(double value);
/// round(value, digits) of Python: the exact binary value, correctly rounded.
double python_round(double value, int digits);
/// numpy.round(value, 2): scaled by 100, rounded half to even, scaled back.
double numpy_round2(double value);

}  // namespace lethe::tasks
