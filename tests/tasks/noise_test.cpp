// SPDX-License-Identifier: Apache-2.0
// The text around facts: how often which word, and the same words for the same seed.
#include <algorithm>
#include <map>
#include <numeric>

#include "harness/base/error.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"
#include "tests/tasks/fake_model.h"
#include "tests/tasks/memory_support.h"

namespace lethe::tasks {
namespace {

using Catch::Matchers::Contains;
using Ids = std::vector<std::int64_t>;

Ids filled(const Noise& noise, std::uint64_t seed, std::int64_t segment, std::size_t tokens) {
  Ids ids(tokens);
  noise.fill(seed, segment, ids);
  return ids;
}

// How often each id comes in 400 segments of 500 tokens.
std::map<std::int64_t, std::int64_t> frequencies(const Noise& noise) {
  std::map<std::int64_t, std::int64_t> counts;
  for (std::int64_t segment = 0; segment < 400; ++segment) {
    for (const std::int64_t id : filled(noise, 77, segment, 500)) ++counts[id];
  }
  return counts;
}
constexpr double kDrawn = 400 * 500;

std::int64_t id_of(const std::string& word) {
  return word_ids(test::fact_tokenizer(), word).front();
}

TEST_CASE("noise words follow Zipf's law, beside eight in a hundred words of facts",
          "[statistics]") {
  const auto counts = frequencies(*test::shipped_noise(FactTask::kDetect, 0));
  const auto share = [&](std::int64_t id) {
    const auto found = counts.find(id);
    return found == counts.end() ? 0.0 : static_cast<double>(found->second) / kDrawn;
  };
  double harmonic = 0;
  const std::int64_t first = id_of("kitchen") + 1, end = test::fact_tokenizer().vocab_size();
  REQUIRE(end - first == 256);
  for (std::int64_t rank = 1; rank <= 256; ++rank) harmonic += 1.0 / static_cast<double>(rank);
  for (std::int64_t rank = 1; rank <= 256; ++rank) {
    CAPTURE(rank);
    const double expected = 0.92 / (static_cast<double>(rank) * harmonic);
    const double found = share(first + rank - 1);
    // Five deviations of the draw, and the rounding of probabilities to 1 / 65,536.
    CHECK(found == Approx(expected).margin(5 * std::sqrt(expected / kDrawn) + 1.0 / 65536));
    if (rank <= 8) CHECK(found > share(first + rank));
  }
  for (const char* word : {"the", "to", "of"}) {
    CHECK(share(id_of(word)) == Approx(0.08 / 3).epsilon(0.05));
  }
  std::int64_t others = 0;  // signs, persons, places, directions, special tokens
  for (const auto& [id, count] : counts) {
    if (id < first && id != id_of("the") && id != id_of("to") && id != id_of("of")) {
      others += count;
    }
  }
  CHECK(others == 0);
}

TEST_CASE("hard negatives come at their rate, each as often as the others", "[statistics]") {
  const FactTask task = GENERATE(FactTask::kDetect, FactTask::kReasoning);
  const double rate = GENERATE(0.01, 0.03, 0.3);
  const auto ids = FactGenerator::confuser_ids(task, test::fact_tokenizer());
  REQUIRE(ids.size() == 10);  // six places, four persons or directions
  CHECK((std::ranges::find(ids, id_of(task == FactTask::kDetect ? "Mary" : "north")) != ids.end()));
  const auto counts = frequencies(*test::shipped_noise(task, rate));
  Ids drawn;
  for (const std::int64_t id : ids) drawn.push_back(counts.at(id));
  const double total = static_cast<double>(std::accumulate(drawn.begin(), drawn.end(), 0L));
  CHECK(total / kDrawn == Approx(rate).epsilon(0.08));
  for (const std::int64_t count : drawn) {
    CHECK(static_cast<double>(count) == Approx(total / 10).epsilon(0.2));
  }
}

TEST_CASE("noise is a function of seed and segment", "[property]") {
  const auto noise = test::shipped_noise(FactTask::kDetect, 0.03);
  const Ids first = filled(*noise, 1, 0, 64);
  CHECK(filled(*noise, 1, 0, 64) == first);
  CHECK(filled(*noise, 1, 1, 64) != first);
  CHECK(filled(*noise, 2, 0, 64) != first);
  const Ids shorter = filled(*noise, 1, 0, 31);
  CHECK(std::equal(shorter.begin(), shorter.end(), first.begin()));
}

std::shared_ptr<const Ids> numbers(std::int64_t count) {
  auto pool = std::make_shared<Ids>(static_cast<std::size_t>(count));
  std::iota(pool->begin(), pool->end(), 0);
  return pool;
}

TEST_CASE("natural text is read from a place of its own in every segment", "[property]") {
  const auto noise = text_noise(numbers(1000), 0, {}, 0);
  std::map<std::int64_t, int> begins;
  for (std::int64_t segment = 0; segment < 50; ++segment) {
    const Ids ids = filled(*noise, 3, segment, 40);
    for (std::size_t i = 1; i < ids.size(); ++i) REQUIRE(ids[i] == (ids[i - 1] + 1) % 1000);
    ++begins[ids.front()];
  }
  CHECK(begins.size() > 40);
}

TEST_CASE("a document is one excerpt over and over, across the segments", "[property]") {
  const auto noise = text_noise(numbers(1000), 30, {}, 0);
  const Ids whole = filled(*noise, 4, 0, 120);
  for (std::size_t i = 0; i < whole.size(); ++i)
    REQUIRE(whole[i] == (whole[0] + static_cast<std::int64_t>(i % 30)) % 1000);
  for (std::int64_t segment = 0; segment < 3; ++segment) {
    const Ids part = filled(*noise, 4, segment, 40);
    CHECK(std::equal(part.begin(), part.end(), whole.begin() + 40 * segment));
  }
  CHECK(filled(*noise, 5, 0, 120) != whole);
}

TEST_CASE("natural text has hard negatives at their rate", "[statistics]") {
  const auto noise = text_noise(numbers(1000), 0, {2000, 2001}, 0.05);
  const auto counts = frequencies(*noise);
  CHECK(static_cast<double>(counts.at(2000)) / kDrawn == Approx(0.025).epsilon(0.08));
  CHECK(static_cast<double>(counts.at(2001)) / kDrawn == Approx(0.025).epsilon(0.08));
}

TEST_CASE("noise that cannot be is refused", "[fault]") {
  const auto error = [](ErrorKind kind, const auto& make) {
    try {
      make();
    } catch (const Error& found) {
      CHECK(found.kind() == kind);
      return std::string(found.what());
    }
    FAIL("expected an Error");
    return std::string();
  };
  CHECK_THAT(error(ErrorKind::kConfig, [] { test::shipped_noise(FactTask::kDetect, 0.6); }),
             Contains("from 0 to 0.5") && Contains("0.6"));
  CHECK_THAT(error(ErrorKind::kConfig, [] { text_noise(numbers(9), 0, {1}, -0.1); }),
             Contains("confusers"));
  CHECK_THAT(error(ErrorKind::kData, [] { text_noise(numbers(0), 0, {}, 0); }),
             Contains("no tokens"));
  const test::ByteTokenizer bytes;
  CHECK_THAT(error(ErrorKind::kModel, [&] { word_noise(bytes, {}, 0); }),
             Contains("data/rmt/tokenizer.json") && Contains("300 tokens"));
}

}  // namespace
}  // namespace lethe::tasks
