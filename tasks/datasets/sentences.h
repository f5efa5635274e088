// SPDX-License-Identifier: Apache-2.0
// Sentences of English prose.
#pragma once

#include <string_view>
#include <vector>

namespace lethe::tasks {

/// The sentences of `text` in order, as views into it, without the white space between them; line
/// breaks inside stay. The rule is that of a Punkt splitter that was trained on nothing (Kiss and
/// Strunk 2006), which BABILong uses, written anew; docs/deviations.md says where the two differ:
///
/// A sentence ends behind ".", "?" or "!" (with quotes and brackets that close there) where white
/// space follows, but not behind
///   - an ellipsis: two periods or more,
///   - an initial: a period after a single letter ("J. Smith"),
///   - a number with a period, where the next word begins with a small letter ("14. and").
/// No abbreviation is known, so "Mr." ends a sentence.
std::vector<std::string_view> split_sentences(std::string_view text);

}  // namespace lethe::tasks
