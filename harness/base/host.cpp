// SPDX-License-Identifier: Apache-2.0
#include "harness/base/host.h"

#include <sys/utsname.h>
#include <unistd.h>

namespace lethe {

std::string host_name() {
  char name[256] = {};
  return gethostname(name, sizeof name - 1) == 0 ? name : "unknown";
}

std::string kernel_name() {
  utsname name{};
  return uname(&name) == 0 ? std::string(name.sysname) + " " + name.release : "unknown";
}

}  // namespace lethe
