// SPDX-License-Identifier: Apache-2.0
#include "harness/cli/root.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "harness/base/error.h"

namespace lethe::cli {

namespace {

namespace fs = std::filesystem;

fs::path this_program() {
  std::error_code ec;
  const auto path = fs::read_symlink("/proc/self/exe", ec);
  if (ec) throw Error(ErrorKind::kConfig, "cannot tell where this program is: " + ec.message());
  return path;
}

bool holds_data(const fs::path& folder) {
  return fs::is_directory(folder / "data" / "suites");
}

fs::path find_root() {
  if (const char* given = std::getenv("LETHE_ROOT"); given && *given) {
    if (holds_data(given)) return fs::absolute(given);
    throw Error(ErrorKind::kConfig, "LETHE_ROOT is " + std::string(given) +
                                        ", which has no data/suites; set it to the root of the "
                                        "repository or leave it unset");
  }
  if (holds_data(LETHE_BUILT_FROM)) return LETHE_BUILT_FROM;
  for (auto folder = this_program().parent_path(); folder != folder.root_path();
       folder = folder.parent_path()) {
    if (holds_data(folder)) return folder;
  }
  throw Error(ErrorKind::kConfig,
              "the folder data/suites was not found; set LETHE_ROOT to the root of the repository");
}

}  // namespace

const fs::path& root_folder() {
  static const fs::path root = find_root();
  return root;
}

fs::path engine_program() {
  const auto path = this_program().parent_path() / "lethe-engine";
  if (access(path.c_str(), X_OK) != 0) {
    throw Error(ErrorKind::kConfig, "the program that runs models is missing: expected " +
                                        path.string() +
                                        "; build with LETHE_BUILD_ENGINE=ON (./lethe does)");
  }
  return path;
}

void prepare_engine_environment() {
  setenv("OMP_WAIT_POLICY", "passive", 0);
}

int exec_engine(const std::string& command, const std::vector<std::string>& words) {
  const std::string program = engine_program().string();
  prepare_engine_environment();
  std::vector<std::string> all{program, command};
  all.insert(all.end(), words.begin(), words.end());
  std::vector<char*> argv;
  for (auto& word : all) argv.push_back(word.data());
  argv.push_back(nullptr);
  execv(program.c_str(), argv.data());
  throw Error(ErrorKind::kConfig, "cannot start " + program + ": " + std::strerror(errno));
}

}  // namespace lethe::cli
