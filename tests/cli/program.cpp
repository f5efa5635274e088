// SPDX-License-Identifier: Apache-2.0
#include "tests/cli/program.h"

#include <sys/wait.h>

#include <cstdlib>

#include "harness/base/error.h"
#include "harness/base/text.h"
#include "tests/support/fixtures.h"

namespace lethe::test {

namespace fs = std::filesystem;

Outcome shell(const std::string& line, const fs::path& folder) {
  const TempDir streams;
  const auto script = streams / "script";
  write_file_atomically(script, "export PATH='" + std::string(LETHE_BUILD_DIR) +
                                    "/bin':\"$PATH\" LETHE_ROOT='" + source_dir().string() +
                                    "'\ncd '" + folder.string() + "' || exit 99\n" + line + "\n");
  const auto out = streams / "out";
  const auto err = streams / "err";
  const std::string command =
      "sh '" + script.string() + "' >'" + out.string() + "' 2>'" + err.string() + "' </dev/null";
  const int status = std::system(command.c_str());
  Outcome outcome;
  outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  outcome.out = read_file(out, ErrorKind::kInternal);
  outcome.err = read_file(err, ErrorKind::kInternal);
  return outcome;
}

std::vector<std::string> lines_of(const std::string& text) {
  auto lines = split(text, '\n');
  if (!lines.empty() && lines.back().empty()) lines.pop_back();
  return lines;
}

}  // namespace lethe::test
