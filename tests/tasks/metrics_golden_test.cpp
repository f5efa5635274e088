// SPDX-License-Identifier: Apache-2.0
// Every golden case: score and further numbers of the owners' programs, words and stems.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <map>
#include <set>

#include "harness/base/text.h"
#include "tasks/metrics/metric.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::tasks {
namespace {

constexpr double kTolerance = 1e-9;

/// Whether `found` is `expected`: numbers within the tolerance, all else equal, and every member of
/// an expected object there.
bool agrees(const json::value& expected, const json::value& found) {
  if (expected.is_number() && found.is_number()) {
    return std::abs(expected.to_number<double>() - found.to_number<double>()) <= kTolerance;
  }
  if (const auto* object = expected.if_object()) {
    return found.is_object() && std::ranges::all_of(*object, [&](const auto& member) {
             const auto* other = found.as_object().if_contains(member.key());
             return other != nullptr && agrees(member.value(), *other);
           });
  }
  return expected == found;
}

/// Members of a case that its metric answers for; the others are input, or notes of the makers.
bool is_answer(std::string_view member) {
  static const std::set<std::string_view> kOthers{
      "id",          "task",        "metric",
      "prediction",  "predictions", "references",
      "all_classes", "note",        "question",
      "model_rule",  "lengths",     "prediction_tokens",
      "sentence",    "word",        "reference_tokens",
      "parsed",      "extracted",   "normalised_prediction"};
  return kOthers.count(member) == 0;
}

/// Scores one line; returns what disagrees.
std::string disagreement(const json::object& golden, const std::string& where,
                         const Segmenters& segmenters) {
  json::object input;
  for (const auto& [name, value] : golden) {
    if (!is_answer(name)) input[name] = value;
  }
  const json::value value = input;
  ScoredCase sample(value, where);
  const Scored scored = find_metric(golden.at("metric").as_string()).score(sample, segmenters);
  json::object answer = scored.more;
  answer["score"] = scored.score ? json::value(*scored.score) : json::value(nullptr);
  for (const auto& [name, expected] : golden) {
    if (!is_answer(name)) continue;
    const auto* found = answer.if_contains(name);
    if (found == nullptr || !agrees(expected, *found)) {
      return where + ": " + std::string(name) + " is " + json::serialize(expected) + ", found " +
             (found == nullptr ? "nothing" : json::serialize(*found));
    }
  }
  return {};
}

}  // namespace

TEST_CASE("every golden case of the scorers", "[golden]") {
  const Segmenters segmenters(test::source_dir());
  const bool chinese = std::filesystem::exists(test::source_dir() / ".deps/jieba/dict.txt");
  std::map<std::string, int> cases;
  for (const auto& file : std::filesystem::directory_iterator(test::golden("scorers"))) {
    if (file.path().extension() != ".jsonl") continue;
    const std::string name = file.path().filename().string();
    int number = 0;
    for (const auto& line : split(read_text_file(file.path()), '\n')) {
      if (line.empty()) continue;
      const std::string where = name + ":" + std::to_string(++number);
      const auto golden = parse_json(line, where, ErrorKind::kData).as_object();
      const std::string metric(golden.at("metric").as_string());
      if (find_metric(metric).words == WordsNeeded::kChinese && !chinese) continue;
      CHECK(disagreement(golden, where, segmenters) == "");
      ++cases[metric];
    }
  }
  int all = 0;
  for (const auto& [metric, count] : cases) all += count;
  for (const auto& metric : scoring_metrics()) {
    INFO(metric.name);
    CHECK((cases[metric.name] > 0 || (metric.words == WordsNeeded::kChinese && !chinese)));
  }
  if (!chinese) {
    std::puts("not run: metrics of Chinese words need .deps/jieba: ./lethe setup");
    return;
  }
  CHECK(all == 3419);
}

}  // namespace lethe::tasks
