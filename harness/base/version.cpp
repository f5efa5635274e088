// SPDX-License-Identifier: Apache-2.0
#include "harness/base/version.h"

#include "version_stamp.h"

namespace lethe {

const Version& version() {
  static const Version kVersion{LETHE_VERSION,  LETHE_GIT_COMMIT, LETHE_GIT_DIRTY,
                                LETHE_COMPILER, LETHE_FLAGS,      LETHE_BUILD_TYPE};
  return kVersion;
}

}  // namespace lethe
