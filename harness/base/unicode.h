// SPDX-License-Identifier: Apache-2.0
// Code points of UTF-8 text: walking, classes, case and normal forms (Unicode 15, by utf8proc).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace lethe {

/// The code point at byte `at` of valid UTF-8, and the bytes it takes.
struct CodePoint {
  std::int32_t value;
  std::size_t length;
};
CodePoint code_point_at(std::string_view text, std::size_t at);
/// Bytes of the character that begins with `lead`, in valid UTF-8.
std::size_t utf8_length(char lead);
/// Where the last character of valid, non-empty UTF-8 begins.
std::size_t last_code_point(std::string_view text);
/// Number of characters of valid UTF-8.
std::size_t count_code_points(std::string_view text);
void append_utf8(std::string& text, std::int32_t code_point);

/// Calls `action(code_point, text)` for every character of valid UTF-8, in order.
template <typename Action>
void for_each_code_point(std::string_view text, Action&& action) {
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint point = code_point_at(text, at);
    action(point.value, text.substr(at, point.length));
    at += point.length;
  }
}

/// White_Space of Unicode.
bool is_space(std::int32_t code_point);
/// Nd, Nl or No.
bool is_numeric(std::int32_t code_point);
/// ASCII punctuation and symbols, and general category P.
bool is_punctuation(std::int32_t code_point);
/// Mn.
bool is_nonspacing_mark(std::int32_t code_point);
/// M.
bool is_mark(std::int32_t code_point);
/// Control, format, private use (Cc, Cf, Co), as BERT's clean-up takes them out.
bool is_control_like(std::int32_t code_point);
/// Part of a word as regular expressions see it (\w): letters, marks, decimal digits, connectors.
bool is_word(std::int32_t code_point);
/// The ideographs that BERT treats as words of their own.
bool is_cjk_ideograph(std::int32_t code_point);

enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };
std::string normal_form(std::string_view text, NormalForm form);
/// Every character in lower case, without regard to its neighbours.
std::string lower_case(std::string_view text);

}  // namespace lethe
