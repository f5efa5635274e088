// SPDX-License-Identifier: Apache-2.0
// Samples of the memory tasks: where facts and question stand, what they say, how they are spread.
#include <algorithm>
#include <map>
#include <set>

#include "harness/base/error.h"
#include "harness/base/seed.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"
#include "tests/tasks/fake_model.h"
#include "tests/tasks/memory_support.h"

namespace lethe::tasks {
namespace {

using Catch::Matchers::Contains;
using test::generator;
using test::ids_of;
using test::told;

constexpr std::int64_t kSegments = 8, kTokens = 30;  // of the samples that are counted
constexpr FactTask kTasks[] = {FactTask::kMemorise, FactTask::kDetect, FactTask::kReasoning};
constexpr FactPlace kRules[] = {FactPlace::kStart, FactPlace::kSegment, FactPlace::kUniform};

std::int64_t shortest(FactTask task) {
  return task == FactTask::kReasoning ? 23 : 11;
}

/// Index into kPlaces; the test fails for a word that is none.
std::int64_t place_of(const std::string& word) {
  const auto found = std::find(kPlaces.begin(), kPlaces.end(), word);
  REQUIRE(found != kPlaces.end());
  return found - kPlaces.begin();
}

TEST_CASE("facts are whole, at their place, and the question ends the sample", "[property]") {
  for (const FactTask task : kTasks) {
    for (const FactPlace rule : kRules) {
      const FactPlace place = task == FactTask::kMemorise ? FactPlace::kStart : rule;
      for (const std::int64_t extra : {0, 1, 2, 9, 60}) {
        const std::int64_t tokens = shortest(task) + extra;
        const auto generate = generator({task, rule, tokens, {}});
        for (std::uint64_t seed = 0; seed < 60; ++seed) {
          const auto sample = generate.sample(seed, 1 + static_cast<std::int64_t>(seed % 4));
          CAPTURE(to_string(task), to_string(rule), tokens, seed);
          const auto text = told(sample, task);
          auto spans = sample.spans();
          REQUIRE(spans.size() == text.facts.size() + 1);
          const auto asked = std::ssize(text.question);
          REQUIRE(spans.back().segment == sample.segments() - 1);
          REQUIRE(spans.back().offset == tokens - asked);
          REQUIRE(spans.back().tokens == asked);
          spans.pop_back();
          std::ranges::sort(spans, [](const auto& a, const auto& b) {
            return std::pair(a.segment, a.offset) < std::pair(b.segment, b.offset);
          });
          auto segments = sample.fact_segments();
          std::ranges::sort(segments);
          std::int64_t end = 0;  // of the fact before, in one segment
          for (std::size_t i = 0; i < text.facts.size(); ++i) {
            const auto& fact = text.facts[i];
            REQUIRE(fact.segment == segments[i]);
            REQUIRE(spans[i].segment == fact.segment);
            REQUIRE(spans[i].offset == fact.offset);
            REQUIRE(spans[i].tokens == std::ssize(fact.words));
            if (place == FactPlace::kStart) REQUIRE(fact.segment == 0);
            const bool follows = i > 0 && text.facts[i - 1].segment == fact.segment;
            if (place != FactPlace::kUniform) REQUIRE(fact.offset == (follows ? end : 0));
            if (follows) REQUIRE(fact.offset >= end);
            end = fact.offset + std::ssize(fact.words);
          }
          if (task != FactTask::kReasoning) {
            const auto& fact = text.facts.front().words;
            REQUIRE(text.question[2] == fact.front());  // the person
            REQUIRE(place_of(fact[fact.size() - 2]) == sample.answer());
          }
        }
      }
    }
  }
}

TEST_CASE("a sample is a function of its seed, whatever is asked for first", "[property]") {
  for (const FactTask task : kTasks) {
    const auto generate = generator({task, FactPlace::kUniform, 40, {}});
    const auto again = generator({task, FactPlace::kUniform, 40, {}});
    std::set<std::vector<std::int64_t>> different;
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      const auto sample = generate.sample(seed, 5), other = again.sample(seed, 5);
      std::vector<std::vector<std::int64_t>> forward;
      for (std::int64_t s = 0; s < 5; ++s) forward.push_back(ids_of(sample, s));
      for (std::int64_t s = 4; s >= 0; --s) {
        CHECK(ids_of(other, s) == forward[static_cast<std::size_t>(s)]);
      }
      CHECK(ids_of(sample, 2) == forward[2]);
      CHECK(sample.answer() == other.answer());
      for (const auto& ids : forward) different.insert(ids);
    }
    CHECK(different.size() == 100);
  }
}

TEST_CASE("facts and question do not depend on the noise", "[property]") {
  for (const FactTask task : kTasks) {
    const auto some = generator({task, FactPlace::kUniform, 40, {}}, 0.0);
    const auto many = generator({task, FactPlace::kUniform, 40, {}}, 0.4);
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      const auto a = some.sample(seed, 3), b = many.sample(seed, 3);
      const auto one = told(a, task), two = told(b, task);
      CHECK(a.answer() == b.answer());
      CHECK(one.question == two.question);
      for (std::size_t i = 0; i < one.facts.size(); ++i) {
        CHECK(one.facts[i].words == two.facts[i].words);
        CHECK(one.facts[i].segment == two.facts[i].segment);
        CHECK(one.facts[i].offset == two.facts[i].offset);
      }
    }
  }
}

TEST_CASE("segments, classes, persons and offsets are uniform", "[statistics]") {
  const auto generate = generator({FactTask::kDetect, FactPlace::kUniform, kTokens, {}});
  std::vector<std::int64_t> segments(kSegments), classes(6);
  std::map<std::string, std::int64_t> persons, verbs;
  std::map<std::size_t, std::vector<std::int64_t>> offsets;  // by length of the fact
  for (std::uint64_t seed = 0; seed < 4000; ++seed) {
    const auto sample = generate.sample(seed, kSegments);
    const auto text = told(sample, FactTask::kDetect);
    const auto& fact = text.facts.front();
    ++segments[static_cast<std::size_t>(fact.segment)];
    ++classes[static_cast<std::size_t>(sample.answer())];
    ++persons[fact.words[0]];
    ++verbs[fact.words[1] + (fact.words[2] == "back" ? " back" : "")];
    auto& counts = offsets[fact.words.size()];
    counts.resize(static_cast<std::size_t>(kTokens) - fact.words.size() + 1);
    if (fact.segment != kSegments - 1) ++counts.at(static_cast<std::size_t>(fact.offset));
  }
  const auto counts = [](const std::map<std::string, std::int64_t>& map) {
    std::vector<std::int64_t> all;
    for (const auto& [word, count] : map) all.push_back(count);
    return all;
  };
  // Quantiles of 99.9 % at one degree of freedom less than there are counts.
  CHECK(test::chi_square(segments) < 24.3);
  CHECK(test::chi_square(classes) < 20.5);
  REQUIRE(persons.size() == 4);
  CHECK(test::chi_square(counts(persons)) < 16.3);
  REQUIRE(verbs.size() == 5);
  CHECK(test::chi_square(counts(verbs)) < 18.5);
  REQUIRE(offsets.size() == 2);  // "went back" is two words
  CHECK(test::chi_square(offsets.at(6)) < 51.2);
  CHECK(test::chi_square(offsets.at(7)) < 49.7);
}

TEST_CASE("segments that facts and question do not fit into are refused", "[fault]") {
  for (const FactTask task : kTasks) {
    const std::int64_t least = shortest(task);
    try {
      generator({task, FactPlace::kUniform, least - 1, {}});
      FAIL("expected an Error");
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::kConfig);
      CHECK_THAT(error.what(), Contains("at least " + std::to_string(least) + " tokens") &&
                                   Contains(to_string(task)) &&
                                   Contains("found " + std::to_string(least - 1)));
    }
  }
}

/// Words are as many ids as they have vowels: lengths unlike those of the shipped vocabulary.
class VowelTokenizer final : public test::ByteTokenizer {
 public:
  std::vector<std::int64_t> encode(std::string_view text, bool) const override {
    std::vector<std::int64_t> ids{text.back()};
    for (const char c : text) {
      if (std::string_view("aeiou").find(c) != std::string_view::npos) ids.push_back(c);
    }
    return ids;
  }
};

TEST_CASE("whatever words cost, the shortest segment that is taken holds the story", "[property]") {
  const VowelTokenizer tokenizer;
  const auto pool = std::make_shared<const std::vector<std::int64_t>>(100, 7);
  const auto noise = text_noise(pool, 0, {}, 0);
  for (const FactTask task : kTasks) {
    std::int64_t least = 1;
    const auto taken = [&](std::int64_t tokens) {
      try {
        FactGenerator({task, FactPlace::kUniform, tokens, {}}, tokenizer, noise);
        return true;
      } catch (const Error&) {
        return false;
      }
    };
    while (!taken(least)) ++least;
    const FactGenerator generate({task, FactPlace::kUniform, least, {}}, tokenizer, noise);
    bool full = false;
    for (std::uint64_t seed = 0; seed < 3000; ++seed) {
      // All in one segment: what is not noise (7) are two facts (or one) and the question, uncut.
      const auto ids = ids_of(generate.sample(seed, 1), 0);
      REQUIRE(std::ranges::count(ids, '.') == (task == FactTask::kReasoning ? 2 : 1));
      REQUIRE(ids.back() == '?');
      full = full || std::ranges::count(ids, 7) == 0;
    }
    CHECK(full);  // and none shorter would
  }
}

TEST_CASE("tokenizers without the words of the tasks are refused", "[fault]") {
  const test::TempDir folder;
  const auto foreign = test::tokenizer_without_kitchen(folder.path());
  const auto pool = std::make_shared<const std::vector<std::int64_t>>(10, 1);
  try {
    FactGenerator({FactTask::kDetect, FactPlace::kUniform, 99, {}}, *foreign,
                  text_noise(pool, 0, {}, 0));
    FAIL("expected an Error");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::kModel);
    CHECK_THAT(error.what(), Contains("vocabulary mismatch") && Contains("'kitchen'") &&
                                 Contains("trained for this task"));
  }
}

TEST_CASE("names of tasks and places are suggested", "[fault]") {
  for (const FactTask task : kTasks) CHECK(parse_fact_task(to_string(task)) == task);
  for (const FactPlace place : kRules) CHECK(parse_fact_place(to_string(place)) == place);
  CHECK_THROWS_WITH(parse_fact_task("memorize"), Contains("did you mean 'memorise'"));
  CHECK_THROWS_WITH(parse_fact_task("reasonning"), Contains("did you mean 'reasoning'"));
  CHECK_THROWS_WITH(parse_fact_place("unifrom"), Contains("did you mean 'uniform'"));
}

}  // namespace
}  // namespace lethe::tasks
