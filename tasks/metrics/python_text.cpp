// SPDX-License-Identifier: Apache-2.0
#include "tasks/metrics/python_text.h"

#include <utf8proc.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "harness/base/unicode.h"

namespace lethe::tasks {
namespace {

utf8proc_category_t category(char32_t c) {
  return utf8proc_category(static_cast<std::int32_t>(c));
}

constexpr char32_t kCapitalSigma = 0x3a3;
constexpr char32_t kFinalSigma = 0x3c2;

/// Cased of Unicode: letters with case, and the few others that have a case mapping.
bool is_cased(char32_t c) {
  const auto kind = category(c);
  if (kind == UTF8PROC_CATEGORY_LU || kind == UTF8PROC_CATEGORY_LL ||
      kind == UTF8PROC_CATEGORY_LT) {
    return true;
  }
  const auto value = static_cast<std::int32_t>(c);
  return utf8proc_tolower(value) != value || utf8proc_toupper(value) != value;
}

/// Case_Ignorable of Unicode: what stands between a sigma and the letters that decide its form.
bool is_case_ignorable(char32_t c) {
  switch (category(c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK:
      return true;
    default:
      break;
  }
  // Word_Break MidLetter, MidNumLet and Single_Quote.
  constexpr char32_t kInsideWords[] = {'\'',   '.',    ':',    0xb7,   0x387,  0x55f,
                                       0x5f4,  0x2018, 0x2019, 0x2024, 0x2027, 0xfe13,
                                       0xfe52, 0xfe55, 0xff07, 0xff0e, 0xff1a};
  for (const char32_t inside : kInsideWords) {
    if (c == inside) return true;
  }
  return false;
}

/// A capital sigma (places in text and result) with a letter before it in its word and none after
/// becomes the final one.
void finish_words(std::u32string_view text, std::u32string& lowered,
                  const std::vector<std::pair<std::size_t, std::size_t>>& sigmas) {
  for (const auto& [from, to] : sigmas) {
    std::size_t before = from;
    while (before > 0 && is_case_ignorable(text[before - 1])) --before;
    if (before == 0 || !is_cased(text[before - 1])) continue;
    std::size_t after = from + 1;
    while (after < text.size() && is_case_ignorable(text[after])) ++after;
    if (after < text.size() && is_cased(text[after])) continue;
    lowered[to] = kFinalSigma;
  }
}

/// 0 to 9, for a character of \d.
int digit_value(char32_t c) {
  // The digits of a script stand in a row, 0 first, after a character that is none. Only the sets
  // of mathematical digits follow each other without a gap.
  constexpr char32_t kMathematicalDigits = 0x1d7ce;
  if (c >= kMathematicalDigits && c < kMathematicalDigits + 50) {
    return static_cast<int>((c - kMathematicalDigits) % 10);
  }
  char32_t zero = c;
  while (zero > 0 && c - zero < 9 && is_python_digit(zero - 1)) --zero;
  return static_cast<int>(c - zero);
}

}  // namespace

std::u32string to_code_points(std::string_view text) {
  std::u32string points;
  points.reserve(text.size());
  for_each_code_point(
      text, [&](std::int32_t c, std::string_view) { points += static_cast<char32_t>(c); });
  return points;
}

std::string to_utf8(std::u32string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  for (const char32_t c : text) {
    if (c < 0x80) {
      bytes += static_cast<char>(c);
    } else {
      append_utf8(bytes, static_cast<std::int32_t>(c));
    }
  }
  return bytes;
}

bool is_python_space(char32_t c) {
  return is_space(static_cast<std::int32_t>(c)) || (c >= 0x1c && c <= 0x1f);
}

bool is_python_digit(char32_t c) {
  return c < 0x80 ? c >= '0' && c <= '9' : category(c) == UTF8PROC_CATEGORY_ND;
}

bool is_python_word(char32_t c) {
  if (c < 0x80) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
  }
  const auto kind = category(c);
  return (kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_LO) ||
         (kind >= UTF8PROC_CATEGORY_ND && kind <= UTF8PROC_CATEGORY_NO);
}

bool is_ascii_punctuation(char32_t c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
         (c >= '{' && c <= '~');
}

std::u32string python_lower(std::u32string_view text) {
  constexpr char32_t kCapitalIWithDot = 0x130;
  std::u32string lowered;
  lowered.reserve(text.size());
  std::vector<std::pair<std::size_t, std::size_t>> sigmas;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char32_t c = text[i];
    if (c < 0x80) {
      lowered += c >= 'A' && c <= 'Z' ? c + 32 : c;
    } else if (c == kCapitalIWithDot) {
      lowered += U"i\u0307";
    } else {
      if (c == kCapitalSigma) sigmas.emplace_back(i, lowered.size());
      lowered += static_cast<char32_t>(utf8proc_tolower(static_cast<std::int32_t>(c)));
    }
  }
  finish_words(text, lowered, sigmas);
  return lowered;
}

std::string python_lower(std::string_view text) {
  return to_utf8(python_lower(to_code_points(text)));
}

std::u32string python_upper(std::u32string_view text) {
  constexpr char32_t kSharpS = 0xdf;
  std::u32string upper;
  upper.reserve(text.size());
  for (const char32_t c : text) {
    if (c == kSharpS) {
      upper += U"SS";
    } else {
      upper += static_cast<char32_t>(utf8proc_toupper(static_cast<std::int32_t>(c)));
    }
  }
  return upper;
}

std::vector<std::u32string_view> python_split(std::u32string_view text) {
  std::vector<std::u32string_view> pieces;
  for (std::size_t at = 0; at < text.size();) {
    if (is_python_space(text[at])) {
      ++at;
      continue;
    }
    const std::size_t begin = at;
    while (at < text.size() && !is_python_space(text[at])) ++at;
    pieces.push_back(text.substr(begin, at - begin));
  }
  return pieces;
}

std::vector<std::string> python_split(std::string_view text) {
  const std::u32string points = to_code_points(text);
  std::vector<std::string> pieces;
  for (const auto piece : python_split(std::u32string_view(points))) {
    pieces.push_back(to_utf8(piece));
  }
  return pieces;
}

std::vector<std::u32string_view> split_at(std::u32string_view text, char32_t separator) {
  std::vector<std::u32string_view> pieces;
  while (true) {
    const auto at = text.find(separator);
    pieces.push_back(text.substr(0, at));
    if (at == std::u32string_view::npos) return pieces;
    text.remove_prefix(at + 1);
  }
}

std::u32string_view python_strip(std::u32string_view text) {
  while (!text.empty() && is_python_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_python_space(text.back())) text.remove_suffix(1);
  return text;
}

std::string python_strip(std::string_view text) {
  const std::u32string points = to_code_points(text);
  return to_utf8(python_strip(std::u32string_view(points)));
}

std::vector<std::u32string_view> digit_runs(std::u32string_view text) {
  std::vector<std::u32string_view> runs;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    while (at < text.size() && is_python_digit(text[at])) ++at;
    if (at > begin) {
      runs.push_back(text.substr(begin, at - begin));
    } else {
      ++at;
    }
  }
  return runs;
}

std::optional<std::string> python_int(std::u32string_view text) {
  text = python_strip(text);
  std::string digits;
  bool negative = false;
  if (!text.empty() && (text.front() == U'+' || text.front() == U'-')) {
    negative = text.front() == U'-';
    text.remove_prefix(1);
  }
  bool after_digit = false;
  for (const char32_t c : text) {
    if (c == U'_' && after_digit) {
      after_digit = false;
      continue;
    }
    if (!is_python_digit(c)) return std::nullopt;
    digits += static_cast<char>('0' + digit_value(c));
    after_digit = true;
  }
  if (!after_digit) return std::nullopt;
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size() - 1));
  return negative && digits != "0" ? "-" + digits : digits;
}

double python_float(std::u32string_view number) {
  std::string ascii;
  for (const char32_t c : number) {
    ascii += c == U'.' ? '.' : static_cast<char>('0' + digit_value(c));
  }
  return std::strtod(ascii.c_str(), nullptr);
}

std::u32string blanked(std::u32string_view text, std::u32string_view characters) {
  std::u32string out(text);
  for (char32_t& c : out) {
    if (characters.find(c) != std::u32string_view::npos) c = U' ';
  }
  return out;
}

double round_half_even(double value) {
  return std::nearbyint(value);  // the default rounding mode is half to even
}

double python_round(double value, int digits) {
  // printf rounds the exact binary value, as Python's repr-based rounding does.
  char text[400];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return std::strtod(text, nullptr);
}

double numpy_round2(double value) {
  return round_half_even(value * 100.0) / 100.0;
}

}  // namespace lethe::tasks
