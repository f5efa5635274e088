// SPDX-License-Identifier: Apache-2.0
#include "tasks/run_one.h"

#include <utility>

namespace lethe::tasks {

SampleOutcome run_one(const Task& task, const std::string& sample_id,
                      const models::Tokenizer& tokenizer, const models::Model& model,
                      const RunSettings& settings) {
  SampleOutcome outcome;
  task.run_all({&sample_id, 1}, tokenizer, model, settings,
               {[] { return false; }, [](const std::string&) { return nullptr; },
                [&](const std::string&, SampleOutcome found) { outcome = std::move(found); }});
  return outcome;
}

}  // namespace lethe::tasks
