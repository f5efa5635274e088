// SPDX-License-Identifier: Apache-2.0
// Metrics of synthetic retrieval tasks: BABILong, RULER and needles in a haystack.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::tasks {

/// BABILong's strict rule: of the task's labels, those in the first sentence of the answer and not
/// in the question must be the target, or all parts of a target with commas (qa8), and nothing
/// else. Source: compare_answers in babilong/metrics.py.
double babilong_strict(std::string_view prediction, std::string_view target,
                       std::string_view question, const std::vector<std::string>& labels);
/// The repository's older rule: the target is somewhere in the first sentence.
/// Source: babilong/babilong_utils.py.
double babilong_substring(std::string_view prediction, std::string_view target);

/// RULER: share of the references that the answer contains, without regard to case; control
/// characters are line breaks. Source: string_match_all in scripts/eval/synthetic/constants.py.
double ruler_share(std::string_view prediction, const std::vector<std::string>& references);
/// 1 when any of them is contained (string_match_part).
double ruler_any(std::string_view prediction, const std::vector<std::string>& references);
/// RULER's number for a corpus: the mean times 100, two decimals.
double ruler_percent(std::span<const double> scores);

/// Ten times rouge1's F with stemmer; 0 for an empty answer. Source: KVCache-Factory.
double needle_rouge1(std::string_view prediction, std::string_view needle);
/// Share of the expected answer's different white-space words, in lower case, that the answer has.
double needle_word_recall(std::string_view prediction, std::string_view expected);

}  // namespace lethe::tasks
