// SPDX-License-Identifier: Apache-2.0
#include "tasks/metrics/synthetic.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "harness/base/error.h"
#include "harness/base/text.h"
#include "tasks/metrics/python_text.h"
#include "tasks/metrics/rouge_score.h"

namespace lethe::tasks {
namespace {

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

/// In lower case, up to the first "." and to where the model begins further examples.
std::string first_sentence(std::string_view prediction) {
  std::string answer = python_lower(prediction);
  for (const std::string_view mark : {".", "<context>", "<example>"}) {
    answer.resize(std::min(answer.find(mark), answer.size()));
  }
  return answer;
}

std::string ruler_answer(std::string_view prediction) {
  std::u32string text(python_strip(to_code_points(prediction)));
  std::ranges::replace_if(
      text, [](char32_t c) { return c < 0x20; }, U'\n');
  return to_utf8(python_lower(python_strip(text)));
}

std::size_t ruler_hits(std::string_view prediction, const std::vector<std::string>& references) {
  const std::string answer = ruler_answer(prediction);
  return static_cast<std::size_t>(std::ranges::count_if(
      references, [&](const std::string& text) { return contains(answer, python_lower(text)); }));
}

}  // namespace

double babilong_strict(std::string_view prediction, std::string_view target,
                       std::string_view question, const std::vector<std::string>& labels) {
  const std::string answer = first_sentence(prediction);
  const std::string asked = python_lower(question);
  const std::string expected = python_lower(target);
  std::set<std::string> found;
  for (const auto& label : labels) {
    const std::string lowered = python_lower(label);
    if (contains(answer, lowered) && !contains(asked, lowered)) found.insert(lowered);
  }
  // A target such as "n,w" of qa19 is one label.
  constexpr std::size_t kLongestDirection = 3;
  const bool several =
      contains(expected, ",") && to_code_points(expected).size() > kLongestDirection;
  const auto parts = several ? split(expected, ',') : std::vector<std::string>{expected};
  const bool all =
      std::ranges::all_of(parts, [&](const std::string& part) { return found.count(part) > 0; });
  return all && found.size() == parts.size() ? 1 : 0;
}

double babilong_substring(std::string_view prediction, std::string_view target) {
  return contains(first_sentence(prediction), python_lower(target)) ? 1 : 0;
}

double ruler_share(std::string_view prediction, const std::vector<std::string>& references) {
  if (references.empty()) {
    throw Error(ErrorKind::kData, "references: expected at least one text, found an empty list");
  }
  return static_cast<double>(ruler_hits(prediction, references)) /
         static_cast<double>(references.size());
}

double ruler_any(std::string_view prediction, const std::vector<std::string>& references) {
  return ruler_hits(prediction, references) > 0 ? 1 : 0;
}

double ruler_percent(std::span<const double> scores) {
  if (scores.empty()) throw Error(ErrorKind::kData, "RULER: no samples, expected at least one");
  const double sum = std::accumulate(scores.begin(), scores.end(), 0.0);
  return python_round(sum / static_cast<double>(scores.size()) * 100, 2);
}

double needle_rouge1(std::string_view prediction, std::string_view needle) {
  return 10 * google_rouge(prediction, needle, true)[kRouge1].f;
}

double needle_word_recall(std::string_view prediction, std::string_view expected) {
  const auto words = [](std::string_view text) {
    const auto list = python_split(std::string_view(python_lower(text)));
    return std::set<std::string>(list.begin(), list.end());
  };
  const auto ours = words(prediction);
  const auto theirs = words(expected);
  if (theirs.empty()) {
    throw Error(ErrorKind::kData, "needle: the expected answer has no word");
  }
  const auto met =
      std::ranges::count_if(theirs, [&](const std::string& word) { return ours.count(word) > 0; });
  return static_cast<double>(met) / static_cast<double>(theirs.size());
}

}  // namespace lethe::tasks
