// SPDX-License-Identifier: Apache-2.0
// What a generated sample cost.
#pragma once

#include <utility>

#include "models/engine/generate.h"
#include "tasks/task.h"

namespace lethe::tasks {

/// Tokens, times, layers and cache of a result. Output, score and prompt are the task's to add.
inline SampleOutcome generated_outcome(models::GenerateResult result) {
  SampleOutcome outcome;
  outcome.new_tokens = static_cast<std::int64_t>(result.ids.size());
  outcome.prefill_seconds = result.prefill_seconds;
  outcome.decode_seconds = result.decode_seconds;
  outcome.seconds = result.prefill_seconds + result.decode_seconds;
  outcome.shared_tokens = result.shared_tokens;
  outcome.layers = std::move(result.layers);
  outcome.kv_bytes = result.kv_bytes;
  outcome.peak_kv_bytes = result.peak_kv_bytes;
  return outcome;
}

}  // namespace lethe::tasks
