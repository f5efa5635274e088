// SPDX-License-Identifier: Apache-2.0
// The Porter stemmer with NLTK's extensions, which the package rouge_score uses.
#pragma once

#include <string>
#include <string_view>

namespace lethe::tasks {

/// Stem of a word in lower case. Source: M. F. Porter, "An algorithm for suffix stripping" (1980),
/// with the departures that NLTK 3.10's PorterStemmer documents (irregular forms, -ied, y after a
/// consonant, -alli, -fulli, -logi, two-letter stems).
std::string porter_stem(std::string_view word);

}  // namespace lethe::tasks
