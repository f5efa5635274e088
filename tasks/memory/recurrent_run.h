// SPDX-License-Identifier: Apache-2.0
// Samples of a memory task through a model with recurrent memory, segment by segment.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "models/rmt/recurrent_model.h"
#include "tasks/memory/segment_source.h"
#include "tasks/task.h"

namespace lethe::tasks {

struct RecurrentSample {
  std::string id;
  std::shared_ptr<const SegmentSource> own;
  std::shared_ptr<const SegmentSource> other;  ///< whose memory it has where they are shuffled
};

/// Answer of a model that gave these class scores: output and score. `classes`: their names.
SampleOutcome judged(const SegmentSource& sample, std::span<const std::string> classes,
                     std::span<const double> logits);

class RecurrentRun {
 public:
  /// `settings.policy` is an rmt plan.
  RecurrentRun(const models::RecurrentModel& model, const RunSettings& settings);

  /// Runs samples of equal shape in step and reports each. Where the hooks give a keeper for the
  /// first of them, the state of all goes there when it is due, and an earlier run's is gone on
  /// from.
  void samples(std::span<const RecurrentSample> batch, const SampleHooks& hooks) const;

 private:
  const models::RecurrentModel& model_;
  const RunSettings& settings_;
};

}  // namespace lethe::tasks
