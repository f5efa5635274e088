// SPDX-License-Identifier: Apache-2.0
// One sample of a task that runs its samples together.
#pragma once

#include <string>

#include "tasks/task.h"

namespace lethe::tasks {

/// Task::run() by means of run_all(), for tasks that have a run_all() of their own.
SampleOutcome run_one(const Task& task, const std::string& sample_id,
                      const models::Tokenizer& tokenizer, const models::Model& model,
                      const RunSettings& settings);

}  // namespace lethe::tasks
