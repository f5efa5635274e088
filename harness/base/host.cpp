// SPDX-License-Identifier: Apache-2.0
#include "harness/base/host.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <fstream>

namespace lethe {
namespace {

std::int64_t memory(const std::string& entry) {
  std::ifstream in("/proc/meminfo");
  for (std::string word; in >> word;) {
    std::int64_t kib = 0;
    if (word == entry && in >> kib) return 1024 * kib;
  }
  return 0;
}

}  // namespace

std::string host_name() {
  char name[256] = {};
  return gethostname(name, sizeof name - 1) == 0 ? name : "unknown";
}

std::string kernel_name() {
  utsname name{};
  return uname(&name) == 0 ? std::string(name.sysname) + " " + name.release : "unknown";
}

std::int64_t total_bytes() {
  return memory("MemTotal:");
}

std::int64_t available_bytes() {
  return memory("MemAvailable:");
}

}  // namespace lethe
