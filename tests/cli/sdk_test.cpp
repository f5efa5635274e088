// SPDX-License-Identifier: Apache-2.0
// The SDK without an engine: installed, found by CMake in a tree that knows nothing of ours, used
// by C++17 and by C99.
#include "harness/base/text.h"
#include "tests/cli/program.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::test {
namespace {

using Catch::Contains;

void require(const std::string& line, const std::filesystem::path& folder) {
  const auto outcome = shell(line, folder);
  CAPTURE(line, outcome.out, outcome.err);
  REQUIRE(outcome.code == 0);
}

TEST_CASE("the example builds out of tree against the installed SDK and is listed",
          "[cli][integration]") {
  const TempDir folder;
  require("cmake --install " LETHE_BUILD_DIR " --component sdk --prefix sdk", folder.path());
  std::filesystem::copy(source_dir() / "examples/policy_plugin", folder / "mine");
  const std::string configure = " -B build -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH='" +
                                (folder / "sdk").string() + "'";
  require("cmake -S mine" + configure + " && cmake --build build", folder.path());
  const auto listed = shell("lethe list policies --plugin build/libsink_tova.so", folder.path());
  CAPTURE(listed.err);
  CHECK(listed.code == 0);
  CHECK_THAT(listed.out, Contains("sink-tova") && Contains("libsink_tova.so"));
}

TEST_CASE("a project in C alone finds the SDK", "[cli][integration]") {
  const TempDir folder;
  require("cmake --install " LETHE_BUILD_DIR " --component sdk --prefix sdk", folder.path());
  std::filesystem::create_directory(folder / "mine");
  const auto source = read_text_file(source_dir() / "tests/policies/plugins/c_window.c");
  const std::string in_tree = "\"policies/plugin/lethe_policy.h\"";
  const auto at = source.find(in_tree);
  REQUIRE(at != std::string::npos);
  write_file_atomically(folder / "mine/w.c",
                        std::string(source).replace(at, in_tree.size(), "<lethe/lethe_policy.h>"));
  write_file_atomically(folder / "mine/CMakeLists.txt",
                        "cmake_minimum_required(VERSION 3.16)\nproject(w LANGUAGES C)\n"
                        "set(CMAKE_C_STANDARD 99)\nset(CMAKE_C_EXTENSIONS OFF)\n"
                        "find_package(Lethe 0.1 REQUIRED)\nadd_library(w MODULE w.c)\n"
                        "target_link_libraries(w PRIVATE Lethe::policy_sdk)\n");
  require("cmake -S mine -B build -DCMAKE_PREFIX_PATH='" + (folder / "sdk").string() +
              "' && cmake --build build",
          folder.path());
  const auto listed = shell("lethe list policies --plugin build/libw.so", folder.path());
  CAPTURE(listed.err);
  CHECK(listed.code == 0);
  CHECK_THAT(listed.out, Contains("c-window"));
}

}  // namespace
}  // namespace lethe::test
