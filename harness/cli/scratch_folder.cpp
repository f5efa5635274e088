// SPDX-License-Identifier: Apache-2.0
#include "harness/cli/scratch_folder.h"

#include <stdlib.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "harness/base/error.h"

namespace lethe::cli {

ScratchFolder::ScratchFolder(const std::filesystem::path& parent) {
  std::string name = (parent / "lethe-XXXXXX").string();
  if (!mkdtemp(name.data())) {
    throw Error(ErrorKind::kStore, "cannot make a folder in " + parent.string() + ": " +
                                       std::strerror(errno) +
                                       "; set TMPDIR to a folder that may be written to");
  }
  path_ = name;
}

ScratchFolder::~ScratchFolder() {
  std::error_code ec;
  std::filesystem::remove_all(path_, ec);
}

}  // namespace lethe::cli
