// SPDX-License-Identifier: Apache-2.0
// ZeroSCROLLS' metrics. Source: tau/zero_scrolls, metrics/.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::tasks {

/// The words that ZeroSCROLLS' F1 compares: of the normalised answer, brought to ASCII (to_ascii).
std::vector<std::string> zeroscrolls_words(std::string_view text);

/// The first stand-alone letter A to D: \b[A-D]\b.
std::optional<char> first_option_letter(std::string_view text);
/// quality: 1 when both have the same first stand-alone letter.
double option_accuracy(std::string_view prediction, std::string_view reference);

/// The first number that "%" touches: \d+\.?\d*%.
std::optional<double> first_percentage(std::string_view text);
/// space_digest: 0.5 ^ (difference in percentage points / 10); 0 without a percentage. Absent when
/// the reference has none.
std::optional<double> exp_similarity(std::string_view prediction, std::string_view reference);

/// The numbers of a list, after everything but digits, white space and commas is deleted.
std::vector<std::string> listed_numbers(std::string_view text);
/// book_sum_sort: share of the reference's pairs that stand in the same order; 0 unless both have
/// the same numbers. Absent when the reference has fewer than two (the owner's program raises).
std::optional<double> concordance_index(std::string_view prediction, std::string_view reference);

}  // namespace lethe::tasks
