// SPDX-License-Identifier: Apache-2.0
// The reasoning task against a solver of its own, and against the table of the paper's authors.
#include <map>
#include <optional>
#include <set>

#include "tests/support/catch.h"
#include "tests/tasks/memory_support.h"

namespace lethe::tasks {
namespace {

using Words = std::vector<std::string>;

constexpr std::int64_t kSamples = 4000;

struct Relation {
  std::string subject, direction, object;  ///< subject lies `direction` of object
};

Relation turned(const Relation& relation) {
  static const std::map<std::string, std::string> opposite{
      {"north", "south"}, {"south", "north"}, {"east", "west"}, {"west", "east"}};
  return {relation.object, opposite.at(relation.direction), relation.subject};
}

// "the X is D of the Y ."
Relation read_fact(const Words& words) {
  return {words[1], words[3], words[6]};
}

// What one reading of a fact says to "what is D of the Y ?" or "what is the X D of ?".
std::optional<std::string> answer_of(const Relation& relation, const Words& question) {
  if (question[2] == "the") {
    if (relation.subject == question[3] && relation.direction == question[4]) {
      return relation.object;
    }
  } else if (relation.direction == question[2] && relation.object == question[5]) {
    return relation.subject;
  }
  return std::nullopt;
}

struct Solved {
  std::size_t fact = 0;   ///< of those placed, by segment
  bool converse = false;  ///< the fact has to be turned
  bool asks_object = false;
  bool same_direction = false;
  std::string answer;
};

Solved solve(const FactSample& sample) {
  const auto text = test::told(sample, FactTask::kReasoning);
  Solved solved;
  int answers = 0;
  std::set<std::string> places, shared;
  for (std::size_t i = 0; i < 2; ++i) {
    const Relation relation = read_fact(text.facts[i].words);
    REQUIRE(relation.subject != relation.object);
    for (const auto& place : {relation.subject, relation.object}) {
      if (!places.insert(place).second) shared.insert(place);
    }
    for (const bool converse : {false, true}) {
      if (const auto answer = answer_of(converse ? turned(relation) : relation, text.question)) {
        ++answers;
        solved.fact = i;
        solved.converse = converse;
        solved.answer = *answer;
      }
    }
  }
  REQUIRE(answers == 1);
  REQUIRE(places.size() == 3);
  REQUIRE(shared.size() == 1);
  const std::string one = read_fact(text.facts[0].words).direction,
                    two = read_fact(text.facts[1].words).direction;
  const std::set<std::string> vertical{"north", "south"};
  REQUIRE(vertical.contains(one) == vertical.contains(two));  // one axis
  solved.asks_object = text.question[2] == "the";
  solved.same_direction = one == two;
  return solved;
}

TEST_CASE("every question of the reasoning task is answered by exactly one fact", "[property]") {
  const FactPlace place = GENERATE(FactPlace::kStart, FactPlace::kSegment, FactPlace::kUniform);
  const auto generate = test::generator({FactTask::kReasoning, place, 24, {}});
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    CAPTURE(seed);
    const auto sample = generate.sample(seed, 1 + static_cast<std::int64_t>(seed % 3));
    REQUIRE(solve(sample).answer == kPlaces[static_cast<std::size_t>(sample.answer())]);
  }
}

// reference: aaai24, data/two_facts_reasoning.csv, 1,000 rows: answer read off the fact 506 times
// and off its converse 494, by fact 1 498 and fact 2 502, "what is D of the Y" 506 and "what is the
// X D of" 494 times, 445 rows of facts with one direction word; answers 151 to 177 of each place.
TEST_CASE("the reasoning task has the distribution of the authors' table", "[statistics]") {
  const auto generate = test::generator({FactTask::kReasoning, FactPlace::kSegment, 24, {}});
  std::int64_t converse = 0, first = 0, object = 0, same = 0;
  std::vector<std::int64_t> answers(6);
  for (std::uint64_t seed = 0; seed < kSamples; ++seed) {
    const auto sample = generate.sample(seed, 4);
    const Solved solved = solve(sample);
    converse += solved.converse;
    first += solved.fact == 0;
    object += solved.asks_object;
    same += solved.same_direction;
    ++answers[static_cast<std::size_t>(sample.answer())];
  }
  // Half of them, within four deviations (0.032).
  for (const std::int64_t count : {converse, first, object, same}) {
    CHECK(static_cast<double>(count) / kSamples == Approx(0.5).margin(0.032));
  }
  CHECK(test::chi_square(answers) < 20.5);  // 99.9 % of 5 degrees
}

TEST_CASE("a curriculum begins with one form of everything", "[property]") {
  const auto share = [](const ReasoningVariants& variants, const auto& counted) {
    const auto generate =
        test::generator({FactTask::kReasoning, FactPlace::kSegment, 24, variants});
    std::int64_t count = 0;
    for (std::uint64_t seed = 0; seed < 1000; ++seed) count += counted(generate.sample(seed, 2));
    return static_cast<double>(count) / 1000;
  };
  const auto object = [](const FactSample& sample) { return solve(sample).asks_object; };
  const auto converse = [](const FactSample& sample) { return solve(sample).converse; };
  const auto same = [](const FactSample& sample) { return solve(sample).same_direction; };
  CHECK(share({0, 0, 0}, object) == 0);
  CHECK(share({0, 0, 0}, converse) == 0);
  CHECK(share({0, 0, 0}, same) == 1);
  // A share of half: the other variant in one of four.
  CHECK(share({1, 1, 0.5}, object) == Approx(0.25).margin(0.055));
  CHECK(share({0, 0.5, 1}, converse) == Approx(0.25).margin(0.055));
}

}  // namespace
}  // namespace lethe::tasks
