// SPDX-License-Identifier: Apache-2.0
#include "harness/store/provenance.h"

#include "harness/base/host.h"
#include "harness/base/version.h"

namespace lethe::store {

void name_program(ProvenanceRecord& record) {
  const Version& program = version();
  record.version = program.version;
  record.git_commit = program.git_commit;
  record.git_dirty = program.git_dirty;
  record.compiler = program.compiler;
  record.flags = program.flags;
  record.build_type = program.build_type;
  record.kernel = kernel_name();
}

}  // namespace lethe::store
