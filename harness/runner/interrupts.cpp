// SPDX-License-Identifier: Apache-2.0
#include "harness/runner/interrupts.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <string>

#include "harness/base/error.h"

namespace lethe::runner {
namespace {

// A signal handler reaches nothing but globals; write(2) is one of the few calls it may make.
std::atomic<int> write_end{-1};

void on_signal(int) {
  const int saved = errno;
  const char byte = 1;
  const ssize_t ignored = write(write_end.load(), &byte, 1);  // a full pipe has news enough
  static_cast<void>(ignored);
  errno = saved;
}

}  // namespace

Interrupts::Interrupts(bool enabled) {
  if (!enabled) return;
  if (pipe2(ends_, O_CLOEXEC | O_NONBLOCK) != 0) {
    throw Error(ErrorKind::kResource, std::string("cannot make a pipe: ") + std::strerror(errno));
  }
  write_end = ends_[1];
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, &old_int_);
  sigaction(SIGTERM, &action, &old_term_);
}

Interrupts::~Interrupts() {
  if (ends_[0] < 0) return;
  sigaction(SIGINT, &old_int_, nullptr);
  sigaction(SIGTERM, &old_term_, nullptr);
  write_end = -1;
  close(ends_[0]);
  close(ends_[1]);
}

int Interrupts::take() {
  if (ends_[0] < 0) return 0;
  char bytes[64];
  const ssize_t count = read(ends_[0], bytes, sizeof bytes);
  return count > 0 ? static_cast<int>(count) : 0;
}

}  // namespace lethe::runner
