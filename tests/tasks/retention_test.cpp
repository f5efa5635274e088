// SPDX-License-Identifier: Apache-2.0
// How long tokens stay: closed forms, counting by hand, tags of words.
#include <set>

#include "harness/base/error.h"
#include "harness/base/seed.h"
#include "harness/base/text.h"
#include "tasks/datasets/word_tags.h"
#include "tasks/metrics/retention.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

using namespace lethe;
using namespace lethe::tasks;

namespace {

/// Drops, after every token, one of the kept ones at random, down to `budget`.
TokenLives random_lives(std::int64_t tokens, std::int64_t budget, RandomStream& random,
                        std::vector<std::set<std::int64_t>>& kept) {
  TokenLives lives(tokens);
  std::set<std::int64_t> now;
  for (std::int64_t step = 0; step < tokens; ++step) {
    now.insert(step);
    if (static_cast<std::int64_t>(now.size()) > budget) {
      auto victim = now.begin();
      std::advance(victim, random.below(now.size()));
      lives.left(step, *victim);
      now.erase(victim);
    }
    kept.push_back(now);
  }
  return lives;
}

}  // namespace

TEST_CASE("under a window every token stays budget + 1 steps", "[property]") {
  constexpr std::int64_t kTokens = 60, kBudget = 9;
  TokenLives lives(kTokens);
  for (std::int64_t step = kBudget; step < kTokens; ++step) lives.left(step, step - kBudget);
  for (std::int64_t p = 0; p < kTokens; ++p) {
    CHECK(lives.lifetime(p) == std::min(kBudget + 1, kTokens - p));
  }
  CHECK(lives.recency_share(kBudget) == 1.0);
}

TEST_CASE("lifetimes and recency are what counting gives", "[property]") {
  RandomStream random(5);
  for (int round = 0; round < 30; ++round) {
    const auto tokens = static_cast<std::int64_t>(2 + random.below(60));
    const auto budget = static_cast<std::int64_t>(1 + random.below(20));
    std::vector<std::set<std::int64_t>> kept;
    const TokenLives lives = random_lives(tokens, budget, random, kept);
    double mean = 0, expected_mean = 0, recent = 0;
    std::int64_t full_steps = 0;
    for (std::int64_t p = 0; p < tokens; ++p) {
      std::int64_t steps = 1;  // it attends to itself, and is dropped after
      for (std::int64_t s = p + 1; s < tokens; ++s) {
        steps += kept[static_cast<std::size_t>(s - 1)].count(p) > 0;
      }
      CHECK(lives.lifetime(p) == steps);
      mean += static_cast<double>(steps) / static_cast<double>(tokens);
      expected_mean +=
          static_cast<double>(std::min(p + 1, budget + 1)) / static_cast<double>(tokens);
      if (p < budget) continue;
      ++full_steps;
      const auto& now = kept[static_cast<std::size_t>(p)];
      double newest = 0;
      for (const auto position : now) newest += position > p - budget;
      recent += newest / static_cast<double>(now.size());
    }
    CAPTURE(tokens, budget);
    CHECK(lives.mean_lifetime() == Approx(mean));
    CHECK(mean == Approx(expected_mean));  // whoever leaves
    const auto share = lives.recency_share(budget);
    CHECK(share.has_value() == (full_steps > 0));
    if (share) CHECK(*share == Approx(recent / static_cast<double>(full_steps)));
  }
}

TEST_CASE("a token leaves once, and only when it is there", "[fault]") {
  TokenLives lives(4);
  lives.left(2, 1);
  CHECK_THROWS_AS(lives.left(3, 1), Error);
  CHECK_THROWS_AS(lives.left(1, 2), Error);
  CHECK_THROWS_AS(lives.left(4, 0), Error);
  CHECK_THROWS_AS(lives.left(1, -1), Error);
}

TEST_CASE("a token has the tag of the word it begins in") {
  const test::TempDir dir;
  const std::string text = "Well, he said.\n\nYes";
  const auto file = dir / "t.tsv";
  write_file_atomically(file, "0\t4\tUH\n4\t5\t,\n6\t8\tPRP\n9\t13\tVBD\n13\t14\t.\n16\t19\tUH\n");
  const auto words = read_word_tags(file);
  CHECK(words.size() == 6);
  CHECK(tag_of_token(words, 0, "We") == "UH");
  CHECK(tag_of_token(words, 2, "ll,") == "UH");
  CHECK(tag_of_token(words, 4, ",") == ",");
  CHECK(tag_of_token(words, 5, " he") == "PRP");
  CHECK(tag_of_token(words, 8, " ") == "");
  CHECK(tag_of_token(words, 14, "\n\n") == "newline");
  CHECK(tag_of_token(words, 15, "\nYes") == "UH");
  CHECK(tag_of_token(words, 30, "x") == "");
}

TEST_CASE("a damaged file of tags is named with its line", "[fault]") {
  const test::TempDir dir;
  const auto file = dir / "t.tsv";
  for (const std::string wrong : {"3\t2\tNN", "0\t4", "0\t4\t", "x\t4\tNN", "0\t9\tNN"}) {
    write_file_atomically(file, "0\t5\tNN\n" + wrong + "\n");
    INFO(wrong);
    CHECK_THROWS_WITH(read_word_tags(file), Catch::Contains("line 2") && Catch::Contains("t.tsv"));
  }
}
