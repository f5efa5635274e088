// SPDX-License-Identifier: Apache-2.0
// Papers of QASPER (arXiv 2105.03011) in its own file format.
#pragma once

#include <string>
#include <vector>

#include "harness/base/json.h"
#include "tasks/datasets/record_fields.h"

namespace lethe::tasks {

/// Every question of a paper. Fields: title, context (title, abstract, then the sections with their
/// names, a blank line between any two parts), input (the question). References, one an annotator,
/// as the owners' evaluator writes them: spans joined with ", ", else the free-form answer, else
/// "Yes" or "No"; "Unanswerable". Throws Error(kData) that names `where` and the member.
std::vector<AnswerRecord> qasper_samples(const json::value& paper, const std::string& where);

}  // namespace lethe::tasks
