// SPDX-License-Identifier: Apache-2.0
#include "tasks/datasets/sentences.h"

#include <algorithm>
#include <array>

namespace lethe::tasks {
namespace {

constexpr std::string_view kBlanks = " \t\n\r\f\v";
constexpr std::string_view kEnds = ".?!";
/// What may stand between the end sign and the white space: quotes, brackets, emphasis.
constexpr std::array<std::string_view, 10> kClosers = {
    "\"", "'", ")", "]", "}", "*", "_", "\xE2\x80\x9D", "\xE2\x80\x99", "\xC2\xBB"};
/// And before a word.
constexpr std::string_view kOpeners = "\"'([{*_-";

bool is_blank(char c) {
  return kBlanks.find(c) != kBlanks.npos;
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// Where the closing signs end that begin at `at`.
std::size_t behind_closers(std::string_view text, std::size_t at) {
  for (bool found = true; found;) {
    found = false;
    for (const std::string_view closer : kClosers) {
      if (text.substr(at).starts_with(closer)) {
        at += closer.size();
        found = true;
      }
    }
  }
  return at;
}

/// The word that ends at `end`, without signs that open it.
std::string_view word_before(std::string_view text, std::size_t end) {
  std::size_t begin = end;
  while (begin > 0 && !is_blank(text[begin - 1])) --begin;
  std::string_view word = text.substr(begin, end - begin);
  const auto first = word.find_first_not_of(kOpeners);
  return first == word.npos ? std::string_view{} : word.substr(first);
}

bool is_number(std::string_view word) {
  return std::ranges::any_of(word, is_digit) && std::ranges::all_of(word, [](char c) {
           return is_digit(c) || c == '.' || c == ',' || c == '-';
         });
}

/// Whether the signs text[begin, end) end a sentence, white space and then text[next] following.
bool ends_sentence(std::string_view text, std::size_t begin, std::size_t end, std::size_t next) {
  const std::string_view signs = text.substr(begin, end - begin);
  if (signs.find_first_not_of('.') != signs.npos) return true;
  if (signs.size() > 1) return false;
  const std::string_view word = word_before(text, begin);
  if (word.size() == 1 && is_letter(word.front())) return false;
  const bool small_letter = next < text.size() && text[next] >= 'a' && text[next] <= 'z';
  return !(is_number(word) && small_letter);
}

}  // namespace

std::vector<std::string_view> split_sentences(std::string_view text) {
  std::vector<std::string_view> sentences;
  std::size_t begin = std::min(text.find_first_not_of(kBlanks), text.size());
  for (std::size_t at = begin; (at = text.find_first_of(kEnds, at)) < text.size();) {
    const std::size_t signs = at;
    at = std::min(text.find_first_not_of(kEnds, at), text.size());
    const std::size_t end = behind_closers(text, at);
    if (end < text.size() && !is_blank(text[end])) continue;
    const std::size_t next = std::min(text.find_first_not_of(kBlanks, end), text.size());
    if (ends_sentence(text, signs, at, next)) {
      sentences.push_back(text.substr(begin, end - begin));
      begin = next;
    }
    at = next;
  }
  if (begin < text.size()) {
    sentences.push_back(text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1));
  }
  return sentences;
}

}  // namespace lethe::tasks
