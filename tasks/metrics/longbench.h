// SPDX-License-Identifier: Apache-2.0
// LongBench's small metrics, its first-line rule and its dataset scores. Source: metrics.py and
// eval.py of THUDM/LongBench.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::tasks {

/// The first line of a text, after leading "\n" (those alone) are gone.
std::string_view first_line(std::string_view text);

/// What eval.py scores of a prediction: first_line() for trec, triviaqa, samsum and lsht, the
/// whole for every other task.
std::string_view longbench_answer(std::string_view prediction, std::string_view task);

/// 1/n when the reference is among the n classes found in the prediction, else 0. Classes are found
/// in the order given, and proper parts of the reference are removed from the list while it is
/// walked, which skips the element after each removal.
double classification_score(std::string_view prediction, std::string_view reference,
                            const std::vector<std::string>& classes);

/// Share of the numbers in the prediction that are, as text, the first number of the reference
/// after `marker` ("Paragraph ", Chinese "段落"); 0 without numbers. Absent when the reference has
/// no such number: the owner's program raises IndexError.
std::optional<double> number_share(std::string_view prediction, std::string_view reference,
                                   std::string_view marker);
/// Share of the numbers in the prediction that equal the whole reference, as text.
double count_score(std::string_view prediction, std::string_view reference);

/// scorer(): mean of the samples' scores times 100, rounded to two decimals as Python does.
double longbench_dataset_score(std::span<const double> scores);

/// scorer_e(): the same, by numpy's rounding, over samples shorter than 4,000, shorter than 8,000,
/// and the rest; absent for an empty bucket (NaN there).
struct LongBenchBuckets {
  std::optional<double> below_4k, below_8k, above;
};
LongBenchBuckets longbench_e_scores(std::span<const double> scores,
                                    std::span<const double> lengths);

}  // namespace lethe::tasks
