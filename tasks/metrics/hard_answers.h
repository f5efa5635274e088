// SPDX-License-Identifier: Apache-2.0
// Answers that take naive scorers minutes: what the benchmark times, and a test runs to the end.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "harness/base/json.h"
#include "tasks/metrics/metric.h"

namespace lethe::tasks {

struct HardAnswer {
  std::string name;
  std::string prediction;
  std::string reference;
};

/// Shapes of answers of about this many bytes, most with a reference as long.
std::vector<HardAnswer> hard_answers(std::size_t bytes);

/// The answer as a case of the metric, with every member that it reads.
json::value as_case(const HardAnswer& answer, const Metric& metric);

}  // namespace lethe::tasks
