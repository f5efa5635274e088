// SPDX-License-Identifier: Apache-2.0
// What the tests of memory tasks share: the shipped vocabulary, samples as words, and statistics.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "models/tokenizer/tokenizer.h"
#include "tasks/memory/fact_task.h"

namespace lethe::test {

/// The tokenizer of data/rmt, one id a word.
const models::Tokenizer& fact_tokenizer();

/// The same without the word "kitchen", in `folder`.
std::unique_ptr<models::Tokenizer> tokenizer_without_kitchen(const std::filesystem::path& folder);

/// The shipped noise with this share of hard negatives.
std::shared_ptr<const tasks::Noise> shipped_noise(tasks::FactTask task, double confusers);
tasks::FactGenerator generator(const tasks::FactOptions& options, double confusers = 0.03);

std::vector<std::int64_t> ids_of(const tasks::FactSample& sample, std::int64_t segment);
/// Words of one segment.
std::vector<std::string> words_of(const tasks::FactSample& sample, std::int64_t segment);

/// The facts and the question of a sample, found again in its text: noise has neither full stops
/// nor question marks, so a sentence is what such a sign ends.
struct Told {
  struct Fact {
    std::int64_t segment, offset;
    std::vector<std::string> words;
  };
  std::vector<Fact> facts;
  std::vector<std::string> question;
};
/// Fails the test where a sentence is cut, of another form, or the question is not at the very end.
Told told(const tasks::FactSample& sample, tasks::FactTask task);

/// Pearson's statistic of counts that are expected to be equal.
double chi_square(const std::vector<std::int64_t>& counts);

}  // namespace lethe::test
