// SPDX-License-Identifier: Apache-2.0
#include "tasks/metrics/token_f1.h"

#include <algorithm>
#include <unordered_map>

#include "tasks/metrics/python_text.h"

namespace lethe::tasks {
namespace {

/// re.sub(r"\b(a|an|the)\b", " ", text). A match has word boundaries on both sides and holds word
/// characters alone, so it is a whole run of them.
std::u32string blank_articles(std::u32string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = at;
    while (end < text.size() && is_python_word(text[end])) ++end;
    if (end == at) {
      out += text[at++];
      continue;
    }
    const auto word = text.substr(at, end - at);
    if (word == U"a" || word == U"an" || word == U"the") {
      out += U' ';
    } else {
      out += word;
    }
    at = end;
  }
  return out;
}

bool is_chinese_mark(char32_t c) {
  static const std::u32string kMarks =
      U"！？｡。＂＃＄％＆＇（）＊＋，－／：；＜＝＞＠［＼］＾＿｀｛｜｝～｟｠｢｣､、〃》「」『』【】"
      U"〔〕〖〗〘〙〚〛〜〝〞〟〰〾〿–—‘’‛“”„‟…‧﹏.";
  return kMarks.find(c) != std::u32string::npos;
}

std::vector<std::string> normalized_words(const std::vector<std::string>& words) {
  std::vector<std::string> out;
  for (const auto& word : words) {
    auto normal = normalize_chinese_answer(word);
    if (!normal.empty()) out.push_back(std::move(normal));
  }
  return out;
}

}  // namespace

double token_f1(const std::vector<std::string>& prediction,
                const std::vector<std::string>& reference) {
  std::unordered_map<std::string_view, std::int64_t> left;
  for (const auto& token : reference) ++left[token];
  std::int64_t same = 0;
  for (const auto& token : prediction) {
    const auto found = left.find(token);
    if (found == left.end() || found->second == 0) continue;
    --found->second;
    ++same;
  }
  if (same == 0) return 0;
  const double precision = static_cast<double>(same) / static_cast<double>(prediction.size());
  const double recall = static_cast<double>(same) / static_cast<double>(reference.size());
  return 2 * precision * recall / (precision + recall);
}

std::string normalize_answer(std::string_view text) {
  const auto bare = without(python_lower(to_code_points(text)), is_ascii_punctuation);
  const auto blanked = blank_articles(bare);
  std::u32string folded;
  for (const auto word : python_split(std::u32string_view(blanked))) {
    if (!folded.empty()) folded += U' ';
    folded += word;
  }
  return to_utf8(folded);
}

double qa_f1(std::string_view prediction, std::string_view reference) {
  return token_f1(python_split(normalize_answer(prediction)),
                  python_split(normalize_answer(reference)));
}

double exact_match(std::string_view prediction, std::string_view reference) {
  return normalize_answer(prediction) == normalize_answer(reference) ? 1 : 0;
}

std::string normalize_chinese_answer(std::string_view text) {
  return to_utf8(without(python_lower(to_code_points(text)), [](char32_t c) {
    return is_ascii_punctuation(c) || is_chinese_mark(c) || is_python_space(c);
  }));
}

double segmented_f1(const std::vector<std::string>& prediction_words,
                    const std::vector<std::string>& reference_words) {
  return token_f1(normalized_words(prediction_words), normalized_words(reference_words));
}

}  // namespace lethe::tasks
