// SPDX-License-Identifier: Apache-2.0
#include "harness/cli/training_console.h"

#include <unistd.h>

#include <iostream>
#include <utility>

#include "harness/base/clock.h"
#include "harness/base/text.h"

namespace lethe::cli {

TrainingConsole::TrainingConsole(TrainingRecorder* recorder, TrainingWords words)
    : recorder_(recorder),
      words_(std::move(words)),
      interrupts_(true),
      terminal_(isatty(STDERR_FILENO) == 1),
      painted_(system_clock().steady_seconds()) {}

TrainingConsole::~TrainingConsole() {
  if (open_) std::cerr << "\n";
}

void TrainingConsole::resumed(std::int64_t step) {
  if (recorder_) recorder_->resumed(step);
}

void TrainingConsole::point(std::int64_t step, const std::string& stage, const std::string& metric,
                            double value) {
  if (metric == words_.metric) value_ = value;
  stage_ = stage;
  if (recorder_) recorder_->point({step, stage, metric, value});
}

bool TrainingConsole::stop_requested() {
  stopped_ = stopped_ || interrupts_.take() > 0;
  return stopped_;
}

void TrainingConsole::saving(std::int64_t /*step*/) {
  if (recorder_) recorder_->flush();
}

void TrainingConsole::progress(std::int64_t done, std::int64_t most) {
  if (recorder_) recorder_->flush_if_due();
  const double now = system_clock().steady_seconds();
  if (first_step_ < 0) {
    first_step_ = done;
    began_ = now;
  }
  if (!due()) return;
  std::string text = words_.step + " " + std::to_string(done) + " of at most " +
                     std::to_string(most) + ", stage " + stage_ + ", " + words_.value(value_);
  if (done > first_step_) {
    const double each = (now - began_) / static_cast<double>(done - first_step_);
    text += ", at most " + human_duration(each * static_cast<double>(most - done)) + " left";
  }
  line(text, !terminal_);
}

void TrainingConsole::within(const std::string& text) {
  if (due()) line(text, !terminal_);
}

bool TrainingConsole::due() {
  const double now = system_clock().steady_seconds();
  if (now - painted_ < (terminal_ ? 0.5 : 30)) return false;
  painted_ = now;
  return true;
}

void TrainingConsole::line(const std::string& text, bool ends) {
  if (open_) std::cerr << "\r\x1b[K";
  std::cerr << text << (ends ? "\n" : "") << std::flush;
  open_ = !ends;
}

}  // namespace lethe::cli
