// SPDX-License-Identifier: Apache-2.0
#include "harness/base/host.h"

#include <unistd.h>

namespace lethe {

std::string host_name() {
  char name[256] = {};
  return gethostname(name, sizeof name - 1) == 0 ? name : "unknown";
}

}  // namespace lethe
