// SPDX-License-Identifier: Apache-2.0
// A worker as the coordinator sees it: a child process with a socket and a log file. Internal.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "harness/base/shared_memory.h"
#include "harness/runner/framing.h"

namespace lethe::runner {

/// A program file held open: workers started from it run the same bytes when the file has been
/// replaced meanwhile (a rebuild during a run).
class FrozenProgram {
 public:
  /// Throws Error(kConfig) when there is no such program.
  explicit FrozenProgram(const std::filesystem::path& path);
  ~FrozenProgram();
  FrozenProgram(const FrozenProgram&) = delete;
  FrozenProgram& operator=(const FrozenProgram&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_ = -1;
};

/// Starts the process in the constructor; kills and reaps it in the destructor.
class WorkerProcess {
 public:
  /// The child gets its end of the socket as descriptor 3 (appended to `command` as "3"), an own
  /// process group (Ctrl-C on the terminal is for the coordinator alone), no standard input, and
  /// stdout and stderr appended to `log`. No other descriptor of this process reaches it, but that
  /// of `program` where it is given: then that is run, and the first word of `command` is its name;
  /// and `memory` where it is given, as descriptor 5, named by "--shared-memory 5" after `command`.
  /// Throws Error(kConfig) when the program cannot be started, Error(kStore) when the log cannot be
  /// written.
  WorkerProcess(const std::vector<std::string>& command, const std::filesystem::path& log,
                const FrozenProgram* program = nullptr, const SharedMemory* memory = nullptr);
  ~WorkerProcess();
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;

  int fd() const { return fd_; }
  pid_t pid() const { return pid_; }

  /// Queues a frame and writes as much as the socket takes.
  void send(const Frame& frame);
  /// Goes on writing what is queued. A lost connection shows when it is read.
  void flush();
  bool wants_to_write() const { return !outgoing_.empty(); }

  /// Takes in everything that is there to read.
  ReadResult read();
  /// The next whole message; throws Error(kInternal) on a malformed one.
  std::optional<Frame> next() { return decoder_.next(); }

  /// True when the process has ended (it is reaped then).
  bool ended();
  void kill();
  /// Waits up to `seconds` for the process to end by itself, then kills it.
  void wait_or_kill(double seconds);
  /// "exit code 3" or "signal SIGSEGV", with the last line of its log. After it has ended.
  std::string describe_end() const;
  bool ended_by_sigkill() const;

 private:
  std::string last_log_line() const;

  pid_t pid_ = -1;
  int fd_ = -1;
  bool reaped_ = false;
  int status_ = 0;
  std::filesystem::path log_;
  std::uintmax_t log_start_ = 0;  ///< what stands before belongs to an earlier process
  std::string outgoing_;
  FrameDecoder decoder_;
};

}  // namespace lethe::runner
