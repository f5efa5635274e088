// SPDX-License-Identifier: Apache-2.0
#include "tasks/task.h"

#include "harness/base/error.h"

namespace lethe::tasks {

void Task::run_all(std::span<const std::string> sample_ids, const models::Tokenizer& tokenizer,
                   const models::Model& model, const RunSettings& settings,
                   const SampleHooks& hooks) const {
  RunSettings own = settings;
  for (const auto& id : sample_ids) {
    if (hooks.stop_requested()) return;
    own.evaluate.keeper = hooks.keeper(id);
    hooks.done(id, run(id, tokenizer, model, own));
  }
}

void Task::run_recurrent(std::span<const std::string> /*sample_ids*/,
                         const models::Tokenizer& /*tokenizer*/,
                         const models::RecurrentModel& /*model*/, const RunSettings& /*settings*/,
                         const SampleHooks& /*hooks*/) const {
  throw Error(ErrorKind::kInternal, "this task has no form for models with recurrent memory");
}

}  // namespace lethe::tasks
