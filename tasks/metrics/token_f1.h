// SPDX-License-Identifier: Apache-2.0
// Token F1 and exact match after the answer normalisation of SQuAD, and its Chinese form.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lethe::tasks {

/// F1 of two token lists as multisets; 0 when they share nothing, so two empty lists give 0.
double token_f1(const std::vector<std::string>& prediction,
                const std::vector<std::string>& reference);

/// Lower case, ASCII punctuation deleted (nothing put in its place), the words a, an and the
/// blanked, white space folded. Source: normalize_answer in LongBench's metrics.py (after
/// SQuAD 1.1).
std::string normalize_answer(std::string_view text);

/// token_f1 of the white-space words of both normalised texts.
double qa_f1(std::string_view prediction, std::string_view reference);

/// 1 when both normalised texts are equal, else 0.
double exact_match(std::string_view prediction, std::string_view reference);

/// Lower case without white space, ASCII punctuation and LongBench's list of Chinese marks, which
/// lacks some: U+300A stays while U+300B goes. Source: normalize_zh_answer in metrics.py.
std::string normalize_chinese_answer(std::string_view text);

/// token_f1 of words that were segmented from the raw texts: each is normalised, empty ones are
/// dropped. qa_f1_zh_score with jieba's words, qa_f1_ja_score with MeCab's.
double segmented_f1(const std::vector<std::string>& prediction_words,
                    const std::vector<std::string>& reference_words);

}  // namespace lethe::tasks
