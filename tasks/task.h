// SPDX-License-Identifier: Apache-2.0
// A task: samples, and what to do with one of them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/base/json.h"
#include "models/engine/evaluate.h"
#include "models/rmt/recurrent_config.h"
#include "models/tokenizer/chat_template.h"
#include "models/tokenizer/tokenizer.h"
#include "policies/registry.h"

namespace lethe::models {
class RecurrentModel;
}

namespace lethe::tasks {

/// Identity of one sample. `hash` covers the content; `cluster` is the unit of independence.
struct SampleInfo {
  std::string id;
  std::string hash;
  std::string cluster;
};

/// One cell's settings as a task needs them.
struct RunSettings {
  policies::PolicyPlan policy;
  std::optional<std::int64_t> budget;
  std::uint64_t seed = 0;
  models::EvaluateOptions evaluate;  ///< schedule, positions, path, angles, progress, stop
  const models::ChatTemplate* chat_template = nullptr;  ///< the model's, where the task uses it
};

/// What one sample gave. Field meanings as in harness/store/records.h.
struct SampleOutcome {
  std::string output;           ///< generated text, or what the task found, as JSON
  std::optional<double> score;  ///< of the task's own metric
  std::int64_t new_tokens = 0;  ///< generated; 0: the task generates nothing
  double prefill_seconds = 0;   ///< until the first new token
  double decode_seconds = 0;    ///< of the steps it took part in
  std::int64_t tokens_in = 0;
  std::int64_t tokens_cut = 0;
  std::int64_t bos_count = 0;
  std::vector<double> nll;  ///< per scored token, nats
  std::vector<models::LayerStats> layers;
  std::int64_t kv_bytes = 0;
  std::int64_t peak_kv_bytes = 0;
  std::int64_t shared_tokens = 0;  ///< not computed: taken from a prefix shared with other cells
  double seconds = 0;
};

/// What surrounds the samples of a cell while they run.
struct SampleHooks {
  /// True: begin no further sample.
  std::function<bool()> stop_requested;
  /// Where a sample leaves its state; may give nullptr.
  std::function<models::StateKeeper*(const std::string& sample_id)> keeper;
  /// Called with each as it ends.
  std::function<void(const std::string& sample_id, SampleOutcome outcome)> done;
};

/// A task bound to its options and one length. Enumerating needs a tokenizer only, running a model.
class Task {
 public:
  virtual ~Task() = default;
  /// Everything that may change numbers: options, versions, data hashes. Its members are the
  /// options that make the task again (lists of files by their ids), or its member "options" is.
  virtual json::object identity() const = 0;
  /// Tokens of a sample that are its prompt: schedules may cut after them, and only what follows is
  /// scored. 0: the task has none.
  virtual std::int64_t prompt_tokens() const { return 0; }
  /// Whether samples are generated: what needs the whole text in advance cannot be honoured then.
  virtual bool generates() const { return false; }
  /// Whether policy `truncate` cuts the input here, before the model reads it, instead of the
  /// cache.
  virtual bool cuts_input() const { return false; }
  /// Whether prompts stand in the model's chat template: then its text decides numbers.
  virtual bool uses_chat_template() const { return false; }
  /// Whether a text ends at the tokens that the checkpoint calls ends, which its generation
  /// settings may add to.
  virtual bool uses_end_ids() const { return false; }
  virtual std::vector<SampleInfo> samples(const models::Tokenizer& tokenizer) const = 0;
  /// Whether models with recurrent memory can run it: run_recurrent().
  virtual bool runs_recurrent() const { return false; }
  /// Throws Error(kConfig) for a length that a recurrent model cannot read.
  virtual void check_recurrent(const models::RecurrentConfig& /*config*/) const {}
  virtual SampleOutcome run(const std::string& sample_id, const models::Tokenizer& tokenizer,
                            const models::Model& model, const RunSettings& settings) const = 0;
  /// The samples of a cell: one after another, unless a task can do better.
  virtual void run_all(std::span<const std::string> sample_ids, const models::Tokenizer& tokenizer,
                       const models::Model& model, const RunSettings& settings,
                       const SampleHooks& hooks) const;
  /// The same on a model with recurrent memory; `settings.policy` says what becomes of it. Only for
  /// tasks that say runs_recurrent().
  virtual void run_recurrent(std::span<const std::string> sample_ids,
                             const models::Tokenizer& tokenizer,
                             const models::RecurrentModel& model, const RunSettings& settings,
                             const SampleHooks& hooks) const;
};

}  // namespace lethe::tasks
