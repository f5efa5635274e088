// SPDX-License-Identifier: Apache-2.0
// What a training run tells: lines on standard error, Ctrl-C, and the result database.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "harness/cli/training_recorder.h"
#include "harness/runner/interrupts.h"
#include "training/events.h"

namespace lethe::cli {

/// How progress is put into words.
struct TrainingWords {
  std::string step = "step";                 ///< "generation"
  std::string metric = "train_accuracy";     ///< whose last value stands in the line of progress
  std::function<std::string(double)> value;  ///< "accuracy 97.3 %"
};

class TrainingConsole final : public training::EventSink {
 public:
  /// `recorder`: the database that takes the curves; may be null, not owned.
  TrainingConsole(TrainingRecorder* recorder, TrainingWords words);
  ~TrainingConsole() override;

  void resumed(std::int64_t step) override;
  void point(std::int64_t step, const std::string& stage, const std::string& metric,
             double value) override;
  bool stop_requested() override;
  void saving(std::int64_t step) override;
  void message(const std::string& text) override { line(text, true); }
  void progress(std::int64_t done, std::int64_t most) override;
  /// What is going on within a step that takes long.
  void within(const std::string& text);

 private:
  void line(const std::string& text, bool ends);
  /// Whether it is time for another line; if so, now is noted.
  bool due();

  TrainingRecorder* recorder_;
  TrainingWords words_;
  runner::Interrupts interrupts_;
  bool terminal_, stopped_ = false, open_ = false;
  std::string stage_;
  double value_ = 0, began_ = 0, painted_ = 0;
  std::int64_t first_step_ = -1;
};

}  // namespace lethe::cli
