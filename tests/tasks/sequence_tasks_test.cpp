// SPDX-License-Identifier: Apache-2.0
// The first RMT paper's tasks: what sequences look like, that no input is trained on and tested on,
// how they are cut and scored; equations against an independent solver.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "harness/base/error.h"
#include "tasks/memory/sequence_tasks.h"
#include "tests/support/catch.h"

namespace lethe::test {
namespace {

using tasks::SequenceGenerator;
using tasks::SequenceSample;
using tasks::SequenceSplit;
using tasks::SequenceTask;

std::vector<std::int64_t> target_of(const SequenceSample& sample) {
  return {sample.tokens.begin() + sample.target_begin, sample.tokens.begin() + sample.target_end};
}

std::string text_of(const SequenceGenerator& generator, const SequenceSample& sample) {
  return generator.text(sample.tokens);
}

TEST_CASE("copy repeats its symbols twice, reverse turns them", "[unit]") {
  const SequenceGenerator copy({SequenceTask::kCopy, 24}), reverse({SequenceTask::kReverse, 24});
  CHECK(copy.vocabulary().size() == 10);
  CHECK(copy.inputs() == 72);  // arXiv 2207.06881, figure 3
  CHECK(reverse.inputs() == 48);
  std::map<std::int64_t, int> counts;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const auto sample = copy.sample(seed, SequenceSplit::kTrain);
    CHECK(sample.inputs() == 72);
    CHECK(sample.tokens[24] == 1);
    std::vector<std::int64_t> symbols(sample.tokens.begin(), sample.tokens.begin() + 24);
    for (const auto symbol : symbols) ++counts[symbol];
    auto twice = symbols;
    twice.insert(twice.end(), symbols.begin(), symbols.end());
    CHECK(target_of(sample) == twice);
    CHECK(copy.sample(seed, SequenceSplit::kTrain).tokens == sample.tokens);

    const auto turned = reverse.sample(seed, SequenceSplit::kTrain);
    symbols.assign(turned.tokens.begin(), turned.tokens.begin() + 24);
    std::ranges::reverse(symbols);
    CHECK(target_of(turned) == symbols);
  }
  // Eight symbols, uniform: 600 each of 4,800 draws; five deviations are 115.
  CHECK(counts.size() == 8);
  CHECK(counts.begin()->first == 2);
  for (const auto& [symbol, count] : counts) CHECK(std::abs(count - 600) < 115);
}

TEST_CASE("retrieval asks for one of its letters", "[unit]") {
  const SequenceGenerator generator({SequenceTask::kRetrieval, 4});
  CHECK(generator.vocabulary().size() == 37);
  CHECK(generator.inputs() == 10);
  std::map<std::size_t, int> asked;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    const auto text = text_of(generator, generator.sample(seed, SequenceSplit::kTest));
    REQUIRE(text.size() == 11);
    CHECK(text[8] == '?');
    std::set<char> letters;
    for (std::size_t i = 0; i < 8; i += 2) letters.insert(text[i]);
    CHECK(letters.size() == 4);
    const auto place = text.find(text[9]);
    REQUIRE(place < 8);
    CHECK(text[place + 1] == text[10]);
    ++asked[place / 2];
  }
  for (const auto& [pair, count] : asked) CHECK(std::abs(count - 100) < 45);
}

TEST_CASE("quadratic equations are solved step by step", "[unit]") {
  const tasks::Quadratic two{2, -6, -8}, none{1, 2, 5};
  CHECK(two.equation() == "2*x^2-6*x-8=0");
  CHECK(two.steps() == "D=(-6)^2-4*2*(-8)=100=10^2;x=(6-10)/4=-1;x=(6+10)/4=4;");
  CHECK(two.answer() == "-1,4");
  CHECK(none.equation() == "1*x^2+2*x+5=0");
  CHECK(none.steps() == "D=2^2-4*1*5=-16<0;");
  CHECK(none.answer() == "none");
  int without = 0;
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    const auto q = tasks::draw_quadratic(seed);
    CHECK((q.a >= 1 && q.a <= 10));
    const auto value = [&](std::int64_t x) { return q.a * x * x + q.b * x + q.c; };
    std::vector<std::int64_t> roots;
    for (std::int64_t x = -100; x <= 100; ++x) {
      if (value(x) == 0) roots.push_back(x);
    }
    if (roots.empty()) {
      ++without;
      CHECK(q.answer() == "none");
      CHECK(q.b * q.b < 4 * q.a * q.c);
    } else {
      CHECK(q.answer() == std::to_string(roots.front()) + "," + std::to_string(roots.back()));
    }
  }
  CHECK(std::abs(without - 400) < 90);  // one in five; five deviations
}

TEST_CASE("a quadratic sequence has 180 tokens and ends after its roots", "[unit]") {
  const SequenceGenerator generator({SequenceTask::kQuadratic, 0});
  std::size_t longest = 0;
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    const auto sample = generator.sample(seed, SequenceSplit::kTrain);
    REQUIRE(sample.inputs() == 180);
    const std::string text = text_of(generator, sample);
    longest = std::max(longest, text.size());
    CHECK(text.back() == '.');
    CHECK(sample.tokens[static_cast<std::size_t>(sample.target_end)] == 0);
    CHECK(sample.tokens[static_cast<std::size_t>(sample.target_begin) - 1] == 1);
    const auto answer = generator.text(
        std::span(sample.tokens).subspan(static_cast<std::size_t>(sample.answer_begin)));
    CHECK(text.ends_with(";" + answer));
  }
  CHECK(longest > 100);
}

TEST_CASE("recall strews 16 pairs into noise and asks for each once", "[unit]") {
  const std::int64_t size = GENERATE(32, 33, 64, 480);
  CAPTURE(size);
  const SequenceGenerator generator({SequenceTask::kRecall, size});
  const auto& words = generator.vocabulary();
  REQUIRE(words.size() == 258);
  CHECK(words[0] == "[UNK]");
  CHECK(words[1] == "?");
  CHECK(generator.inputs() == size + 32);
  std::set<std::int64_t> keys, values, first_asked, pair_begins;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const auto sample = generator.sample(seed, SequenceSplit::kTrain);
    REQUIRE(std::ssize(sample.tokens) == size + 33);
    CHECK(sample.inputs() == size + 32);
    CHECK(sample.target_begin == size + 1);
    CHECK(sample.target_end == size + 33);
    CHECK(sample.answer_begin == sample.target_begin);
    CHECK(sample.target_step == 2);
    const auto word = [&](std::int64_t at) {
      return words[static_cast<std::size_t>(sample.tokens[static_cast<std::size_t>(at)])];
    };
    CHECK(word(size) == "?");
    std::map<std::string, std::string> pairs;
    for (std::int64_t at = 0; at < size; ++at) {
      if (word(at)[0] == 'k') {
        CHECK(pairs.emplace(word(at), word(at + 1)).second);  // no key twice
        pair_begins.insert(at++);
        CHECK(word(at)[0] == 'v');
      } else {
        CHECK(word(at)[0] == 'n');
      }
    }
    CHECK(pairs.size() == 16);
    std::map<std::string, std::string> asked;
    for (std::int64_t at = sample.target_begin; at < sample.target_end; at += 2) {
      CHECK(asked.emplace(word(at), word(at + 1)).second);
      keys.insert(sample.tokens[static_cast<std::size_t>(at)]);
      values.insert(sample.tokens[static_cast<std::size_t>(at) + 1]);
    }
    CHECK(asked == pairs);
    first_asked.insert(std::distance(pairs.begin(), pairs.find(word(sample.target_begin))));
    CHECK(generator.sample(seed, SequenceSplit::kTrain).tokens == sample.tokens);
  }
  // 1,600 draws of 64, 100 of 16.
  CHECK(keys.size() == 64);
  CHECK(values.size() == 64);
  CHECK(first_asked.size() == 16);
  if (size == 64) CHECK(pair_begins.size() == 63);  // anywhere; of two tokens, so not at the last
}

TEST_CASE("the noise of recall is Zipf's", "[statistics]") {
  const SequenceGenerator generator({SequenceTask::kRecall, 480});
  std::map<std::string, double> counts;
  double all = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const auto sample = generator.sample(seed, SequenceSplit::kTrain);
    for (std::int64_t at = 0; at < 480; ++at) {
      const auto word = text_of(generator, {{sample.tokens[static_cast<std::size_t>(at)]}});
      if (word[0] == 'n') ++counts[word], ++all;
    }
  }
  CHECK(all == 100 * 448);
  double sum = 0;
  for (int rank = 1; rank <= 128; ++rank) sum += 1.0 / rank;
  for (const int rank : {1, 2, 3, 10, 100}) {
    const double expected = all / (rank * sum);
    CAPTURE(rank, expected);
    CHECK(std::abs(counts["n" + std::to_string(rank - 1)] - expected) < 5 * std::sqrt(expected));
  }
}

TEST_CASE("no input is trained on and tested on", "[property]") {
  const SequenceTask task =
      GENERATE(SequenceTask::kCopy, SequenceTask::kReverse, SequenceTask::kRetrieval,
               SequenceTask::kQuadratic, SequenceTask::kRecall);
  const bool quadratic = task == SequenceTask::kQuadratic;
  const SequenceGenerator generator({task, quadratic ? 0 : task == SequenceTask::kRecall ? 32 : 3});
  const auto inputs = [&](SequenceSplit split) {
    std::set<std::vector<std::int64_t>> all;
    for (std::uint64_t seed = 0; seed < 2000; ++seed) {
      const auto sample = generator.sample(seed, split);
      all.emplace(sample.tokens.begin(), sample.tokens.begin() + sample.target_begin);
    }
    return all;
  };
  const auto trained = inputs(SequenceSplit::kTrain), tested = inputs(SequenceSplit::kTest);
  CHECK(tested.size() > 20);
  std::vector<std::vector<std::int64_t>> both;
  std::ranges::set_intersection(trained, tested, std::back_inserter(both));
  CHECK(both.empty());
}

TEST_CASE("sequences are cut into equal segments", "[unit]") {
  CHECK(SequenceGenerator({SequenceTask::kCopy, 24}).segment_tokens(9) == 8);
  CHECK(SequenceGenerator({SequenceTask::kReverse, 24}).segment_tokens(4) == 12);
  CHECK(SequenceGenerator({SequenceTask::kQuadratic, 0}).segment_tokens(6) == 30);
  const SequenceGenerator retrieval({SequenceTask::kRetrieval, 4});
  CHECK(retrieval.segment_tokens(2) == 5);
  CHECK(retrieval.segment_tokens(4) == 3);  // 3 3 3 1
  try {
    retrieval.segment_tokens(6);
    FAIL("expected an error");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::kConfig);
    CHECK_THAT(error.what(), Catch::Contains("10 tokens cannot be cut into 6 equal segments"));
    CHECK_THAT(error.what(), Catch::Contains("5 of 2 hold them"));
  }
  CHECK_THROWS_WITH(SequenceGenerator({SequenceTask::kRetrieval, 27}),
                    Catch::Contains("expected 1 to 26, found 27"));
  CHECK_THROWS_WITH(
      SequenceGenerator({SequenceTask::kRecall, 31}),
      Catch::Contains("size of task 'recall': expected 32 to") && Catch::Contains("found 31"));
  CHECK(SequenceGenerator({SequenceTask::kRecall, 480}).segment_tokens(1) == 512);
  CHECK(SequenceGenerator({SequenceTask::kRecall, 480}).segment_tokens(4) == 128);
}

TEST_CASE("each task has its score", "[unit]") {
  const SequenceGenerator copy({SequenceTask::kCopy, 4}), quadratic({SequenceTask::kQuadratic, 0});
  const auto symbols = copy.sample(1, SequenceSplit::kTest);
  auto found = target_of(symbols);
  CHECK(copy.score(symbols, found) == 1.0);
  found[0] = found[5] = 1;
  CHECK(copy.score(symbols, found) == 0.75);

  const auto equation = quadratic.sample(1, SequenceSplit::kTest);
  found = target_of(equation);
  CHECK(quadratic.score(equation, found) == 1.0);
  auto slip = found;
  slip[0] = 1;  // a step, not the roots
  CHECK(quadratic.score(equation, slip) == 1.0);
  slip = found;
  slip.back() = 2;  // goes on where it should end
  CHECK(quadratic.score(equation, slip) == 0.0);

  const SequenceGenerator retrieval({SequenceTask::kRetrieval, 4});
  const auto pairs = retrieval.sample(1, SequenceSplit::kTest);
  found = target_of(pairs);
  CHECK(retrieval.score(pairs, found) == 1.0);
  CHECK(retrieval.score(pairs, std::vector<std::int64_t>{0}) == 0.0);

  const SequenceGenerator recall({SequenceTask::kRecall, 40});
  const auto strewn = recall.sample(1, SequenceSplit::kTest);
  found = target_of(strewn);
  CHECK(recall.score(strewn, found) == 1.0);
  for (std::size_t i = 0; i < found.size(); i += 2) found[i] = 0;  // keys do not count
  CHECK(recall.score(strewn, found) == 1.0);
  found[1] = found[31] = 0;
  CHECK(recall.score(strewn, found) == 14.0 / 16);
  CHECK(recall.score(strewn, std::vector<std::int64_t>(32, 1)) == 0.0);
}

TEST_CASE("sequence tasks have names", "[unit]") {
  for (const std::string& name : tasks::sequence_task_names()) {
    CHECK(to_string(*tasks::find_sequence_task(name)) == name);
  }
  CHECK_FALSE(tasks::find_sequence_task("detect"));
}

}  // namespace
}  // namespace lethe::test
