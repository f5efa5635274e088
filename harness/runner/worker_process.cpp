// SPDX-License-Identifier: Apache-2.0
#include "harness/runner/worker_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <thread>

#include "harness/base/error.h"
#include "harness/base/names.h"
#include "harness/runner/wire.h"

namespace lethe::runner {
namespace {

constexpr int kChildSocket = 3;
constexpr int kChildProgram = 4;
constexpr int kChildMemory = 5;

// RAII around the two C structs of posix_spawn.
struct SpawnActions {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  SpawnActions() {
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
  }
  ~SpawnActions() {
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
  }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;
};

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (auto& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

}  // namespace

FrozenProgram::FrozenProgram(const std::filesystem::path& path) {
  const int opened = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (opened >= 0) {
    // Above the numbers that the child's descriptors are moved to.
    fd_ = fcntl(opened, F_DUPFD_CLOEXEC, 16);
    ::close(opened);
  }
  if (fd_ >= 0) return;
  throw Error(ErrorKind::kConfig, "cannot start the worker '" + path.string() + "': " +
                                      std::strerror(errno) + "; build it with ./lethe setup");
}

FrozenProgram::~FrozenProgram() {
  ::close(fd_);
}

WorkerProcess::WorkerProcess(const std::vector<std::string>& command,
                             const std::filesystem::path& log, const FrozenProgram* program,
                             const SharedMemory* memory)
    : log_(log) {
  const int log_fd = ::open(log.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
  if (log_fd < 0) {
    throw Error(ErrorKind::kStore,
                "cannot write the worker's log " + log.string() + ": " + std::strerror(errno));
  }
  std::error_code ec;
  log_start_ = std::filesystem::file_size(log, ec);
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    const int reason = errno;
    ::close(log_fd);
    throw Error(ErrorKind::kResource,
                std::string("cannot make a socket: ") + std::strerror(reason));
  }
  fd_ = ends[0];
  // The coordinator must never wait for one worker while others have something to say.
  fcntl(fd_, F_SETFL, fcntl(fd_, F_GETFL) | O_NONBLOCK);

  SpawnActions actions;
  posix_spawn_file_actions_addopen(&actions.files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions.files, log_fd, 1);
  posix_spawn_file_actions_adddup2(&actions.files, log_fd, 2);
  posix_spawn_file_actions_adddup2(&actions.files, ends[1], kChildSocket);
  // A number that the child does not get may be open here; closing one that is not does no harm.
  if (program) {
    posix_spawn_file_actions_adddup2(&actions.files, program->fd(), kChildProgram);
  } else {
    posix_spawn_file_actions_addclose(&actions.files, kChildProgram);
  }
  if (memory) posix_spawn_file_actions_adddup2(&actions.files, memory->fd(), kChildMemory);
  posix_spawn_file_actions_addclosefrom_np(&actions.files, kChildMemory + (memory ? 1 : 0));
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&actions.attributes, &none);
  posix_spawnattr_setsigdefault(&actions.attributes, &all);
  posix_spawnattr_setpgroup(&actions.attributes, 0);
  posix_spawnattr_setflags(&actions.attributes,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);

  std::vector<std::string> arguments = command;
  if (memory) {
    arguments.insert(arguments.end(), {"--shared-memory", std::to_string(kChildMemory)});
  }
  arguments.push_back(std::to_string(kChildSocket));
  const std::string file =
      program ? "/proc/self/fd/" + std::to_string(kChildProgram) : arguments.front();
  const int rc = posix_spawnp(&pid_, file.c_str(), &actions.files, &actions.attributes,
                              pointers(arguments).data(), environ);
  ::close(ends[1]);
  ::close(log_fd);
  if (rc != 0) {
    ::close(fd_);
    throw Error(ErrorKind::kConfig, "cannot start the worker '" + join(command, " ") + "': " +
                                        std::strerror(rc) + "; build it with ./lethe setup");
  }
}

WorkerProcess::~WorkerProcess() {
  wait_or_kill(0);
  ::close(fd_);
}

void WorkerProcess::send(const Frame& frame) {
  outgoing_ += encode_frame(frame);
  flush();
}

void WorkerProcess::flush() {
  while (!outgoing_.empty()) {
    const ssize_t sent = ::send(fd_, outgoing_.data(), outgoing_.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      outgoing_.erase(0, static_cast<std::size_t>(sent));
    } else if (sent < 0 && errno == EINTR) {
      continue;
    } else if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      return;
    } else {
      outgoing_.clear();
    }
  }
}

ReadResult WorkerProcess::read() {
  ReadResult last = ReadResult::kNothing;
  // Bounded, so that a worker that never pauses does not keep the others waiting.
  for (int portion = 0; portion < 64; ++portion) {
    const ReadResult result = read_some(fd_, decoder_);
    if (result == ReadResult::kEnd) return result;
    if (result == ReadResult::kNothing) return last;
    last = result;
  }
  return last;
}

bool WorkerProcess::ended() {
  if (!reaped_ && waitpid(pid_, &status_, WNOHANG) == pid_) reaped_ = true;
  return reaped_;
}

void WorkerProcess::kill() {
  if (!ended()) ::kill(pid_, SIGKILL);
}

void WorkerProcess::wait_or_kill(double seconds) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (!ended() && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  if (ended()) return;
  kill();
  while (waitpid(pid_, &status_, 0) < 0 && errno == EINTR) {
  }
  reaped_ = true;
}

std::string WorkerProcess::describe_end() const {
  std::string text;
  if (WIFSIGNALED(status_)) {
    const int number = WTERMSIG(status_);
    const char* name = sigabbrev_np(number);
    text = "signal " + (name ? "SIG" + std::string(name) : std::to_string(number));
    if (number == SIGKILL) text += " (from outside; perhaps the kernel was out of memory)";
  } else {
    text = "exit code " + std::to_string(WEXITSTATUS(status_));
  }
  const std::string line = last_log_line();
  if (!line.empty()) text += "; last line of " + log_.filename().string() + ": " + line;
  return text;
}

bool WorkerProcess::ended_by_sigkill() const {
  return WIFSIGNALED(status_) && WTERMSIG(status_) == SIGKILL;
}

std::string WorkerProcess::last_log_line() const {
  constexpr std::uintmax_t kTail = 4096;
  std::error_code ec;
  const std::uintmax_t size = std::filesystem::file_size(log_, ec);
  if (ec || size <= log_start_) return {};
  const std::uintmax_t start = std::max(log_start_, size > kTail ? size - kTail : 0);
  std::ifstream file(log_, std::ios::binary);
  file.seekg(static_cast<std::streamoff>(start));
  std::string text(static_cast<std::size_t>(size - start), '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  const auto end = text.find_last_not_of(" \t\r\n");
  if (end == std::string::npos) return {};
  text.resize(end + 1);
  const auto newline = text.find_last_of("\r\n");
  return printable(std::string_view(text).substr(newline == std::string::npos ? 0 : newline + 1),
                   300);
}

}  // namespace lethe::runner
