// SPDX-License-Identifier: Apache-2.0
#include "tests/tasks/memory_support.h"

#include <algorithm>

#include "harness/base/error.h"
#include "harness/base/text.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::test {
namespace {

using Words = std::vector<std::string>;

// Forms of sentences; "*" is any word.
const std::vector<Words> kMoves = {{"*", "moved", "to", "the", "*", "."},
                                   {"*", "went", "to", "the", "*", "."},
                                   {"*", "went", "back", "to", "the", "*", "."},
                                   {"*", "journeyed", "to", "the", "*", "."},
                                   {"*", "travelled", "to", "the", "*", "."}};
const std::vector<Words> kRelations = {{"the", "*", "is", "*", "of", "the", "*", "."}};
const std::vector<Words> kWhere = {{"where", "is", "*", "?"}};
const std::vector<Words> kWhat = {{"what", "is", "*", "of", "the", "*", "?"},
                                  {"what", "is", "the", "*", "*", "of", "?"}};

bool has_form(const Words& words, std::size_t begin, const Words& form) {
  if (begin + form.size() > words.size()) return false;
  for (std::size_t i = 0; i < form.size(); ++i) {
    if (form[i] != "*" && form[i] != words[begin + i]) return false;
  }
  return true;
}

// The words before and with the sign at `end` that have one of the forms, the longest of them.
Words sentence_before(const Words& words, std::size_t end, const std::vector<Words>& forms) {
  Words found;
  for (const Words& form : forms) {
    if (end + 1 < form.size() || form.size() < found.size()) continue;
    const std::size_t begin = end + 1 - form.size();
    if (has_form(words, begin, form)) {
      found.assign(words.begin() + static_cast<std::ptrdiff_t>(begin),
                   words.begin() + static_cast<std::ptrdiff_t>(end + 1));
    }
  }
  return found;
}

}  // namespace

const models::Tokenizer& fact_tokenizer() {
  static const auto tokenizer = models::open_tokenizer(source_dir() / "data/rmt");
  return *tokenizer;
}

std::unique_ptr<models::Tokenizer> tokenizer_without_kitchen(const std::filesystem::path& folder) {
  std::string text = read_file(source_dir() / "data/rmt/tokenizer.json", ErrorKind::kData);
  const auto at = text.find("\"kitchen\"");
  REQUIRE(at != std::string::npos);
  text[at + 1] = 'x';
  write_file_atomically(folder / "tokenizer.json", text);
  return models::open_tokenizer(folder);
}

std::shared_ptr<const tasks::Noise> shipped_noise(tasks::FactTask task, double confusers) {
  return tasks::word_noise(fact_tokenizer(),
                           tasks::FactGenerator::confuser_ids(task, fact_tokenizer()), confusers);
}

tasks::FactGenerator generator(const tasks::FactOptions& options, double confusers) {
  return {options, fact_tokenizer(), shipped_noise(options.task, confusers)};
}

std::vector<std::int64_t> ids_of(const tasks::FactSample& sample, std::int64_t segment) {
  std::vector<std::int64_t> ids(static_cast<std::size_t>(sample.segment_tokens()));
  sample.fill(segment, ids);
  return ids;
}

Words words_of(const tasks::FactSample& sample, std::int64_t segment) {
  static const auto vocabulary = [] {
    Words all;
    for (std::int64_t id = 0; id < fact_tokenizer().vocab_size(); ++id) {
      all.push_back(fact_tokenizer().decode({id}, false));
    }
    return all;
  }();
  Words words;
  for (const std::int64_t id : ids_of(sample, segment)) {
    words.push_back(vocabulary.at(static_cast<std::size_t>(id)));
  }
  return words;
}

Told told(const tasks::FactSample& sample, tasks::FactTask task) {
  const bool relations = task == tasks::FactTask::kReasoning;
  Told found;
  for (std::int64_t segment = 0; segment < sample.segments(); ++segment) {
    const Words words = words_of(sample, segment);
    for (std::size_t i = 0; i < words.size(); ++i) {
      if (words[i] == ".") {
        auto fact = sentence_before(words, i, relations ? kRelations : kMoves);
        REQUIRE_FALSE(fact.empty());
        found.facts.push_back(
            {segment, static_cast<std::int64_t>(i + 1 - fact.size()), std::move(fact)});
      } else if (words[i] == "?") {
        REQUIRE(segment == sample.segments() - 1);
        REQUIRE(i == words.size() - 1);
        found.question = sentence_before(words, i, relations ? kWhat : kWhere);
      }
    }
  }
  REQUIRE_FALSE(found.question.empty());
  REQUIRE(found.facts.size() == (relations ? 2U : 1U));
  return found;
}

double chi_square(const std::vector<std::int64_t>& counts) {
  double total = 0, sum = 0;
  for (const std::int64_t count : counts) total += static_cast<double>(count);
  const double expected = total / static_cast<double>(counts.size());
  for (const std::int64_t count : counts) {
    const double off = static_cast<double>(count) - expected;
    sum += off * off / expected;
  }
  return sum;
}

}  // namespace lethe::test
