// SPDX-License-Identifier: Apache-2.0
// Generation under a policy: prompts through the scan, then tokens one by one, many samples in
// step. No tensor type crosses this header.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "harness/base/error.h"
#include "models/engine/evaluate.h"
#include "models/engine/sampler.h"

namespace lethe::models {

/// One sample to generate. Requests of one batch may differ in everything.
struct GenerateRequest {
  std::vector<std::int64_t> prompt;  ///< at least one token
  const policies::PolicyPlan* policy = nullptr;
  std::optional<std::int64_t> budget;
  /// A prompt of 0 stands for that of the request; less lets the schedule cut before the rest of
  /// it is read, as a question about a document that was cut before.
  policies::Schedule schedule;
  std::uint64_t policy_seed = 0;
  Sampling sampling;
  std::uint64_t sampling_seed = 0;
  std::int64_t max_new = 256;
  std::int64_t min_new = 0;           ///< end ids are not chosen before so many
  std::vector<std::int64_t> end_ids;  ///< any of them ends the sample, and is not part of it
  /// Called with every new token but an end id, in order; false ends the sample after it.
  std::function<bool(std::int64_t id)> accept;
};

/// "a prompt of 5 tokens and up to 3 new ones", for messages.
std::string prompt_and_new(std::int64_t prompt, std::int64_t max_new);

/// Why a sample ended.
enum class StopReason { kEndId, kLength, kStopped };
/// "end", "length", "stop".
inline std::string to_string(StopReason reason) {
  switch (reason) {
    case StopReason::kEndId:
      return "end";
    case StopReason::kLength:
      return "length";
    case StopReason::kStopped:
      return "stop";
  }
  throw Error(ErrorKind::kInternal, "unknown stop reason");
}

struct GenerateResult {
  std::vector<std::int64_t> ids;  ///< new tokens, without the end id
  StopReason reason = StopReason::kLength;
  std::vector<LayerStats> layers;
  std::int64_t kv_bytes = 0;       ///< live keys and values at the end, of all layers
  std::int64_t peak_kv_bytes = 0;  ///< sum of the layers' largest
  std::int64_t shared_tokens = 0;  ///< of the prompt, taken from another request's prefill
  /// From the beginning of its prompt until its first token is known (time to first token). Of a
  /// sample that goes on from another's prefill, what that took.
  double prefill_seconds = 0;
  /// Of the steps it took part in, its companions' work included; the prompts of others that were
  /// read in between are not.
  double decode_seconds = 0;
};

/// Of all samples of one call.
struct GenerateTotals {
  std::int64_t prompt_tokens = 0;  ///< computed: without what samples took from each other
  std::int64_t new_tokens = 0;     ///< the first of every sample comes from its prompt
  std::int64_t steps = 0;          ///< of the lanes together
  double prefill_seconds = 0;
  double decode_seconds = 0;  ///< of the steps alone
};

struct GenerateOptions {
  std::int64_t lanes = 32;  ///< samples in step; a finished one makes room for the next
  KvType kv_type = KvType::kSame;
  RopeAngles rope_angles = RopeAngles::kHf32;
  /// Ids from this one on are never chosen; 0: every id of the model may be. For embeddings padded
  /// beyond the tokenizer's tokens, as those of Qwen2, Pythia and Phi-3 are.
  std::int64_t drawable_ids = 0;
  std::int64_t chunk_tokens = 512;  ///< of a prompt, as in EvaluateOptions
  std::int64_t block_rows = 64;
  /// Requests with one prompt share what comes before the first eviction. Neighbours that differ
  /// in nothing but what is drawn share the whole prefill, with or without this.
  PrefixCache* prefixes = nullptr;
  /// Called after every chunk of a prompt and every step with the tokens done so far, of all
  /// samples.
  std::function<void(std::int64_t)> progress;
  /// Polled before a sample begins; true: those at work are finished, no other begins.
  std::function<bool()> last_sample;
  /// Polled at every step and chunk; true ends the generation with Error(kInterrupted).
  std::function<bool()> should_stop;
};

}  // namespace lethe::models
