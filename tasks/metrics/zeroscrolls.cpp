// SPDX-License-Identifier: Apache-2.0
#include "tasks/metrics/zeroscrolls.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "tasks/metrics/python_text.h"
#include "tasks/metrics/token_f1.h"
#include "tasks/metrics/transliteration.h"

namespace lethe::tasks {
namespace {

/// Adds up positions by index: how many lie below.
class PositionCounts {
 public:
  explicit PositionCounts(std::size_t positions) : counts_(positions + 1) {}
  void add(std::size_t position) {
    for (std::size_t i = position + 1; i < counts_.size(); i += i & (~i + 1)) ++counts_[i];
  }
  std::size_t below(std::size_t position) const {
    std::size_t sum = 0;
    for (std::size_t i = position; i > 0; i -= i & (~i + 1)) sum += counts_[i];
    return sum;
  }

 private:
  std::vector<std::size_t> counts_;  // a Fenwick tree
};

}  // namespace

std::vector<std::string> zeroscrolls_words(std::string_view text) {
  return python_split(to_ascii(normalize_answer(text)));
}

std::optional<char> first_option_letter(std::string_view text) {
  const std::u32string points = to_code_points(text);
  for (std::size_t at = 0; at < points.size(); ++at) {
    const bool begins = at == 0 || !is_python_word(points[at - 1]);
    const bool ends = at + 1 == points.size() || !is_python_word(points[at + 1]);
    if (points[at] >= U'A' && points[at] <= U'D' && begins && ends) {
      return static_cast<char>(points[at]);
    }
  }
  return std::nullopt;
}

double option_accuracy(std::string_view prediction, std::string_view reference) {
  const auto ours = first_option_letter(prediction);
  return ours && ours == first_option_letter(reference) ? 1 : 0;
}

std::optional<double> first_percentage(std::string_view text) {
  const std::u32string points = to_code_points(text);
  const std::u32string_view all = points;
  const auto digits_end = [&](std::size_t at) {
    while (at < all.size() && is_python_digit(all[at])) ++at;
    return at;
  };
  for (std::size_t at = 0; at < all.size();) {
    const std::size_t whole = digits_end(at);
    if (whole == at) {
      ++at;
      continue;
    }
    std::size_t end = whole;
    if (end < all.size() && all[end] == U'.') end = digits_end(end + 1);
    if (end < all.size() && all[end] == U'%') return python_float(all.substr(at, end - at));
    at = whole;  // the digits after "." may begin a match of their own
  }
  return std::nullopt;
}

std::optional<double> exp_similarity(std::string_view prediction, std::string_view reference) {
  const auto truth = first_percentage(reference);
  if (!truth) return std::nullopt;
  const auto ours = first_percentage(prediction);
  return ours ? std::pow(0.5, std::abs(*ours - *truth) / 10) : 0;
}

std::vector<std::string> listed_numbers(std::string_view text) {
  std::u32string kept;
  for (const char32_t c : to_code_points(text)) {
    if (c == U',') {
      kept += U' ';
    } else if ((c >= U'0' && c <= U'9') || is_python_space(c)) {
      kept += c;
    }
  }
  std::vector<std::string> numbers;
  for (const auto piece : python_split(std::u32string_view(kept))) {
    if (auto number = python_int(piece)) numbers.push_back(*std::move(number));
  }
  return numbers;
}

std::optional<double> concordance_index(std::string_view prediction, std::string_view reference) {
  const auto ours = listed_numbers(prediction);
  const auto theirs = listed_numbers(reference);
  const std::size_t n = theirs.size();
  if (n < 2) return std::nullopt;
  auto ours_sorted = ours;
  auto theirs_sorted = theirs;
  std::ranges::sort(ours_sorted);
  std::ranges::sort(theirs_sorted);
  if (ours_sorted != theirs_sorted) return 0;
  // Pairs of the prediction whose places in the reference ascend. A number that stands twice has
  // its first place there.
  std::map<std::string, std::size_t> places;
  for (std::size_t i = 0; i < n; ++i) places.emplace(theirs[i], i);
  PositionCounts seen(n);
  std::size_t concordant = 0;
  for (const auto& number : ours) {
    const std::size_t place = places.at(number);
    concordant += seen.below(place);
    seen.add(place);
  }
  const double pairs = static_cast<double>(n) * static_cast<double>(n - 1) / 2;
  return static_cast<double>(concordant) / pairs;
}

}  // namespace lethe::tasks
