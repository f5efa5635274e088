// SPDX-License-Identifier: Apache-2.0
// InfiniteBench's metrics, rule by rule. Source: src/compute_scores.py of OpenBMB/InfiniteBench.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::tasks {

/// passkey, number_string: the first run of ASCII digits is the label.
double first_number_match(std::string_view prediction, std::string_view label);
/// kv_retrieval: the label is one of the words.
double word_match(std::string_view prediction, std::string_view label);
/// longdialogue_qa_eng: the label is one of the words in upper case; a label of two words never is.
double upper_word_match(std::string_view prediction, std::string_view label);
/// longbook_choice_eng: labels are the answer's text and its letter.
double book_choice(std::string_view prediction, const std::vector<std::string>& labels);
/// longbook_qa_chn: every character of the normalised texts a token, F1.
double character_f1(std::string_view prediction, std::string_view label);
/// code_debug: the prediction begins with, or names after "answer is:" and the like, letter or
/// name.
double code_debug_match(std::string_view prediction, std::string_view name,
                        std::string_view letter);
/// code_run: the last word is the integer.
double last_integer_match(std::string_view prediction, std::string_view label);

/// math_find with an integer label: the first number, read by int(). Absent when that is a fraction
/// ("93.0"): the owner's program raises ValueError.
std::optional<double> first_integer_equals(std::string_view prediction, std::string_view label);
/// math_find with a fraction as label.
double first_fraction_equals(std::string_view prediction, double label);
/// math_calc: share of the labels that the numbers of the prediction equal, up to the first
/// difference. `drop_first`: the rule for GPT-4, whose first number is not counted.
double leading_numbers(std::string_view prediction, std::span<const std::string> labels,
                       bool drop_first);

}  // namespace lethe::tasks
