// SPDX-License-Identifier: Apache-2.0
// Answers of 100 KB through every metric. A naive scorer takes minutes for some of them (a table of
// 50,000 times 50,000 words holds 20 GB), so finishing is the test; lethe bench scorers has times.
#include <filesystem>

#include "tasks/metrics/hard_answers.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::tasks {

TEST_CASE("answers of 100 KB are scored by every metric") {
  const Segmenters segmenters(test::source_dir());
  const bool chinese = std::filesystem::exists(test::source_dir() / ".deps/jieba/dict.txt");
  for (const HardAnswer& answer : hard_answers(100'000)) {
    for (const Metric& metric : scoring_metrics()) {
      if (metric.words == WordsNeeded::kChinese && !chinese) continue;
      CAPTURE(answer.name, metric.name);
      const json::value value = as_case(answer, metric);
      ScoredCase sample(value, "case");
      const Scored scored = metric.score(sample, segmenters);
      if (scored.score) CHECK((*scored.score >= 0 && *scored.score <= 100.0001));
    }
  }
}

}  // namespace lethe::tasks
