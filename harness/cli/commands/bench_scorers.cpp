// SPDX-License-Identifier: Apache-2.0
// lethe bench scorers: how long metrics take for long answers of hard shapes.
#include <algorithm>
#include <filesystem>
#include <iostream>

#include "harness/base/clock.h"
#include "harness/base/error.h"
#include "harness/base/text.h"
#include "harness/cli/commands/bench_runs.h"
#include "harness/cli/output.h"
#include "harness/cli/root.h"
#include "tasks/metrics/hard_answers.h"

namespace lethe::cli {

int bench_scorers(const Options& options) {
  const auto bytes = static_cast<std::size_t>(options.integer("bytes", 100'000, 100, 10'000'000));
  const tasks::Segmenters segmenters(root_folder());
  const auto answers = tasks::hard_answers(bytes);
  json::array rows;
  for (const auto& metric : tasks::scoring_metrics()) {
    if (metric.words == tasks::WordsNeeded::kChinese) segmenters.chinese();
    double slowest = -1;
    double sum = 0;
    std::string shape;
    for (const auto& answer : answers) {
      const json::value value = tasks::as_case(answer, metric);
      tasks::ScoredCase sample(value, "case");
      const double start = system_clock().steady_seconds();
      metric.score(sample, segmenters);
      const double seconds = system_clock().steady_seconds() - start;
      sum += seconds;
      if (seconds > slowest) {
        slowest = seconds;
        shape = answer.name;
      }
    }
    const double mean = sum / static_cast<double>(answers.size());
    rows.push_back({{"metric", metric.name},
                    {"bytes", bytes},
                    {"mean_s", mean},
                    {"slowest_s", slowest},
                    {"slowest_shape", shape}});
    if (!options.has("json")) {
      std::cout << metric.name << ": mean " << fixed(1000 * mean, 1) << " ms, slowest "
                << fixed(1000 * slowest, 1) << " ms (" << shape << ")\n"
                << std::flush;
    }
  }
  if (options.has("json")) print_json(rows);
  return kExitOk;
}

}  // namespace lethe::cli
