// SPDX-License-Identifier: Apache-2.0
// Progress for people (a bar with rate and ETA, or plain lines) and for programs (JSON lines).
#pragma once

#include <filesystem>
#include <fstream>
#include <map>
#include <ostream>
#include <string>

#include "harness/base/clock.h"
#include "harness/runner/events.h"

namespace lethe::runner {

/// Shows how far a run is, measured in tokens; the time left follows from the observed rate.
/// On a terminal one line is repainted at most every 0.5 s; elsewhere a plain line is printed every
/// 10 s. Cells that do not end well get a line of their own at once.
class ProgressDisplay final : public RunObserver {
 public:
  /// `columns` bounds the repainted line.
  ProgressDisplay(std::ostream& out, bool terminal, const Clock& clock = system_clock(),
                  int columns = 80);
  void on_event(const RunEvent& event) override;
  void tick() override;

 private:
  void paint(bool force);
  void message(const std::string& text);
  std::string line() const;

  std::ostream& out_;
  const bool terminal_;
  const Clock& clock_;
  const int columns_;
  double started_ = 0;
  double last_paint_ = 0;
  bool painted_ = false;  ///< a line without newline stands on the terminal
  std::int64_t cells_ = 0;
  std::int64_t cells_ended_ = 0;
  std::int64_t cells_bad_ = 0;
  std::int64_t tokens_ = 0;
  std::int64_t tokens_done_ = 0;
  std::map<int, std::int64_t> running_;  ///< worker -> tokens in its sample
  std::string current_;
  bool stopping_ = false;
};

/// Appends one JSON object per event to a file: {"time": "…Z", "type": "sample_done", …}; members
/// that do not apply are left out. Each line is flushed, so that another program can follow.
class EventLog final : public RunObserver {
 public:
  /// Throws Error(kConfig) when the file cannot be opened.
  explicit EventLog(const std::filesystem::path& path, const Clock& clock = system_clock());
  void on_event(const RunEvent& event) override;

 private:
  std::ofstream out_;
  std::filesystem::path path_;
  bool failed_ = false;
  const Clock& clock_;
};

}  // namespace lethe::runner
