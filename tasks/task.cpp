// SPDX-License-Identifier: Apache-2.0
#include "tasks/task.h"

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

}  // namespace lethe::tasks
