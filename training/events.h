// SPDX-License-Identifier: Apache-2.0
// What a training run tells of itself while it runs. The command line wires it to the store and the
// terminal.
#pragma once

#include <cstdint>
#include <string>

namespace lethe::training {

/// Calls come from one thread.
class EventSink {
 public:
  virtual ~EventSink() = default;
  /// Called once, before the first step: the step of the saved state that this run goes on from, 0
  /// where it begins anew. What an earlier run told of later steps is void; it comes again.
  virtual void resumed(std::int64_t step) = 0;
  /// One point of a learning curve. Steps count over all stages, from 1.
  virtual void point(std::int64_t step, const std::string& stage, const std::string& metric,
                     double value) = 0;
  /// Asked between steps; true ends the run, whose state is saved first.
  virtual bool stop_requested() = 0;
  /// The state after `step` is about to be saved. A run that goes on from it does not tell again
  /// what was told so far: what has to last is to be stored now.
  virtual void saving(std::int64_t step) = 0;
  /// Something worth a line: a stage that ended, a resume.
  virtual void message(const std::string& text) = 0;
  /// Steps done, and those that may still come in the stages that are left.
  virtual void progress(std::int64_t done, std::int64_t most) = 0;
};

}  // namespace lethe::training
