// SPDX-License-Identifier: Apache-2.0
// Similarity of code lines: fuzzywuzzy's ratio over either of the two algorithms it may stand on.
#pragma once

#include <string>
#include <string_view>

namespace lethe::tasks {

/// The first line of code: after leading "\n", the first line that holds none of "`", "#", "//";
/// empty when there is none. Source: code_sim_score in LongBench's metrics.py.
std::string_view first_code_line(std::string_view prediction);

/// difflib.SequenceMatcher(None, a, b).ratio() of Python 3.11: matching blocks, longest first; not
/// symmetric. In a `b` of 200 characters or more, frequent ones begin no block.
double difflib_ratio(std::string_view a, std::string_view b);
/// Levenshtein.ratio(a, b): twice a longest common subsequence over both lengths.
double levenshtein_ratio(std::string_view a, std::string_view b);

/// fuzz.ratio(a, b) / 100 on top of a ratio: whole percents, halves to the even one; 1 for equal
/// texts (two empty ones too), 0 when one is empty.
double fuzz_ratio(std::string_view a, std::string_view b,
                  double (*similarity)(std::string_view, std::string_view));

}  // namespace lethe::tasks
