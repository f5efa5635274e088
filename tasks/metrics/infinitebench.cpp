// SPDX-License-Identifier: Apache-2.0
#include "tasks/metrics/infinitebench.h"

#include <algorithm>

#include "harness/base/error.h"
#include "tasks/metrics/python_text.h"
#include "tasks/metrics/token_f1.h"

namespace lethe::tasks {
namespace {

constexpr std::u32string_view kWordMarks = U"\n:\"'.,?!{}";

bool is_ascii_digit(char32_t c) {
  return c >= '0' && c <= '9';
}

/// Runs of ASCII digits.
std::vector<std::u32string_view> ascii_numbers(std::u32string_view text) {
  std::vector<std::u32string_view> runs;
  for (auto at = text.begin(); at != text.end();) {
    at = std::find_if(at, text.end(), is_ascii_digit);
    const auto end = std::find_if_not(at, text.end(), is_ascii_digit);
    if (at != end) runs.emplace_back(at, end);
    at = end;
  }
  return runs;
}

bool has_word(std::u32string_view text, std::u32string_view word) {
  return std::ranges::count(python_split(text), word) > 0;
}

/// Runs of blanks become one; other white space stays.
std::u32string fold_blanks(std::u32string_view text) {
  std::u32string out;
  for (const char32_t c : text) {
    if (c != U' ' || out.empty() || out.back() != U' ') out += c;
  }
  return out;
}

std::u32string replace_all(std::u32string_view text, std::u32string_view part) {
  std::u32string out;
  while (true) {
    const auto at = text.find(part);
    out += text.substr(0, at);
    if (at == std::u32string_view::npos) return out;
    out += U' ';
    text.remove_prefix(at + part.size());
  }
}

/// What the first of these prefixes that occurs announces: whether the text behind it, less one
/// character, begins with one of the labels. Nothing when none occurs.
std::optional<bool> announced(std::u32string_view text,
                              std::initializer_list<std::u32string_view> prefixes,
                              const std::vector<std::u32string>& labels) {
  for (const auto prefix : prefixes) {
    const auto at = text.find(prefix);
    if (at == std::u32string_view::npos) continue;
    const std::size_t after = at + prefix.size() + 1;
    if (after > text.size()) return false;
    return std::ranges::any_of(
        labels, [&](const std::u32string& label) { return text.substr(after).starts_with(label); });
  }
  return std::nullopt;
}

/// The first match of \d+\.\d+|\d+.
std::u32string_view first_number(std::u32string_view text) {
  const auto begin = std::ranges::find_if(text, is_python_digit);
  auto end = std::find_if_not(begin, text.end(), is_python_digit);
  if (end != text.end() && *end == U'.') {
    const auto fraction = std::find_if_not(end + 1, text.end(), is_python_digit);
    if (fraction != end + 1) end = fraction;
  }
  return {begin, end};
}

}  // namespace

double first_number_match(std::string_view prediction, std::string_view label) {
  const std::u32string text = to_code_points(prediction);
  const auto numbers = ascii_numbers(text);
  return (numbers.empty() ? "" : to_utf8(numbers.front())) == label ? 1 : 0;
}

double word_match(std::string_view prediction, std::string_view label) {
  return has_word(blanked(to_code_points(prediction), kWordMarks), to_code_points(label)) ? 1 : 0;
}

double upper_word_match(std::string_view prediction, std::string_view label) {
  const auto text = python_upper(blanked(to_code_points(prediction), kWordMarks));
  return has_word(text, to_code_points(label)) ? 1 : 0;
}

double book_choice(std::string_view prediction, const std::vector<std::string>& labels) {
  std::vector<std::u32string> answers;
  for (const auto& label : labels) answers.push_back(to_code_points(label));
  const auto is_answer = [&](std::u32string_view text) {
    return std::ranges::count(answers, text) > 0;
  };
  const std::u32string points = to_code_points(prediction);
  const auto text = python_strip(points);
  if (text.empty()) return 0;
  if (text[0] >= U'A' && text[0] <= U'D') return is_answer(text.substr(0, 1)) ? 1 : 0;
  if (is_answer(text)) return 1;
  const std::u32string folded = fold_blanks(blanked(text, U"\n\"'.,?!{}"));
  if (const auto said =
          announced(folded, {U"answer is:", U"answer:", U"answer is", U"option is"}, answers)) {
    return *said ? 1 : 0;
  }
  for (const auto word : python_split(std::u32string_view(folded))) {
    // Python's `word in "ABCD"`, which "BC" satisfies too.
    if (std::u32string_view(U"ABCD").find(word) != std::u32string_view::npos) {
      return is_answer(word) ? 1 : 0;
    }
  }
  return 0;
}

double character_f1(std::string_view prediction, std::string_view label) {
  const auto characters = [](std::string_view text) {
    std::vector<std::string> tokens;
    for (const char32_t c : to_code_points(normalize_chinese_answer(text))) {
      tokens.push_back(to_utf8(std::u32string_view(&c, 1)));
    }
    return tokens;
  };
  return token_f1(characters(prediction), characters(label));
}

double code_debug_match(std::string_view prediction, std::string_view name,
                        std::string_view letter) {
  const std::u32string points = to_code_points(prediction);
  const auto text = python_strip(points);
  const std::vector<std::u32string> labels{to_code_points(letter), to_code_points(name)};
  if (text.starts_with(labels[0] + U".") || text.starts_with(labels[0] + U":")) return 1;
  std::u32string bare = blanked(text, U"\n`'\"-*");
  for (const std::u32string_view word : {U"Option", U"option"}) bare = replace_all(bare, word);
  return announced(fold_blanks(bare), {U"answer is:", U"is:", U"answer:", U"correct option is:"},
                   labels)
                 .value_or(false)
             ? 1
             : 0;
}

double last_integer_match(std::string_view prediction, std::string_view label) {
  const std::u32string text = blanked(to_code_points(prediction), U"\n.`'\":");
  const auto words = python_split(std::u32string_view(text));
  return !words.empty() && python_int(words.back()) == std::string(label) ? 1 : 0;
}

std::optional<double> first_integer_equals(std::string_view prediction, std::string_view label) {
  const std::u32string text = to_code_points(prediction);
  const auto number = first_number(text);
  if (number.empty()) return 0;
  const auto value = python_int(number);
  if (!value) return std::nullopt;
  return *value == label ? 1 : 0;
}

double first_fraction_equals(std::string_view prediction, double label) {
  const std::u32string text = to_code_points(prediction);
  const auto number = first_number(text);
  if (number.empty()) return 0;
  return python_float(number) == label ? 1 : 0;
}

double leading_numbers(std::string_view prediction, std::span<const std::string> labels,
                       bool drop_first) {
  if (labels.empty()) {
    throw Error(ErrorKind::kData, "references: expected at least one number, found an empty list");
  }
  const std::u32string text = to_code_points(prediction);
  auto numbers = ascii_numbers(text);
  if (drop_first && !numbers.empty()) numbers.erase(numbers.begin());
  std::size_t equal = 0;
  while (equal < labels.size() && equal < numbers.size() &&
         python_int(numbers[equal]) == labels[equal]) {
    ++equal;
  }
  return static_cast<double>(equal) / static_cast<double>(labels.size());
}

}  // namespace lethe::tasks
