// SPDX-License-Identifier: Apache-2.0
// The lists that the registry of metrics is put together from.
#pragma once

#include <vector>

#include "tasks/metrics/metric.h"

namespace lethe::tasks {

std::vector<Metric> longbench_metrics();
std::vector<Metric> summary_metrics();  ///< package rouge_score, SCROLLS, SQuALITY
std::vector<Metric> answer_metrics();   ///< QASPER, SCROLLS, ZeroSCROLLS
std::vector<Metric> synthetic_metrics();
std::vector<Metric> infinitebench_metrics();
std::vector<Metric> language_metrics();  ///< ChouBun, segmentation, stems

}  // namespace lethe::tasks
