// SPDX-License-Identifier: Apache-2.0
// SIGINT and SIGTERM as something poll(2) can wait for. For this room, and for commands of cli that
// work without the runner.
#pragma once

#include <signal.h>

namespace lethe::runner {

/// While it lives, SIGINT and SIGTERM are counted instead of ending the process; the former
/// handlers come back at the end. At most one at a time in a process.
class Interrupts {
 public:
  /// Does nothing unless `enabled`. Throws Error(kResource) without descriptors.
  explicit Interrupts(bool enabled);
  ~Interrupts();
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;

  /// Readable when a signal has come; -1 when not enabled.
  int fd() const { return ends_[0]; }
  /// Signals since the last call.
  int take();

 private:
  int ends_[2] = {-1, -1};
  struct sigaction old_int_ {};
  struct sigaction old_term_ {};
};

}  // namespace lethe::runner
