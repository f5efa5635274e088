// SPDX-License-Identifier: Apache-2.0
// Every seed of every fuzz target through the target's own entry function.
#include <filesystem>
#include <set>

#include "harness/base/text.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

extern "C" {
int fuzz_gguf(const std::uint8_t* bytes, std::size_t size);
int fuzz_safetensors(const std::uint8_t* bytes, std::size_t size);
int fuzz_hf_config(const std::uint8_t* bytes, std::size_t size);
int fuzz_shard_index(const std::uint8_t* bytes, std::size_t size);
int fuzz_tokenizer_json(const std::uint8_t* bytes, std::size_t size);
int fuzz_chat_template(const std::uint8_t* bytes, std::size_t size);
int fuzz_plan(const std::uint8_t* bytes, std::size_t size);
int fuzz_scorers(const std::uint8_t* bytes, std::size_t size);
int fuzz_record_file(const std::uint8_t* bytes, std::size_t size);
}

namespace lethe::test {
namespace {

struct Target {
  const char* name;
  int (*run)(const std::uint8_t* bytes, std::size_t size);
};

constexpr Target kTargets[] = {
    {"gguf", fuzz_gguf},
    {"safetensors", fuzz_safetensors},
    {"hf_config", fuzz_hf_config},
    {"shard_index", fuzz_shard_index},
    {"tokenizer_json", fuzz_tokenizer_json},
    {"chat_template", fuzz_chat_template},
    {"plan", fuzz_plan},
    {"scorers", fuzz_scorers},
    {"record_file", fuzz_record_file},
};

std::filesystem::path corpus() {
  return source_dir() / "tests/fuzz/corpus";
}

TEST_CASE("every seed of every fuzz target replays") {
  for (const Target& target : kTargets) {
    int seeds = 0;
    for (const auto& seed : std::filesystem::directory_iterator(corpus() / target.name)) {
      INFO(seed.path());
      const std::string bytes = read_file(seed.path(), ErrorKind::kData);
      // In a block of its own size, so that a sanitizer sees a read beyond it.
      const std::vector<std::uint8_t> block(bytes.begin(), bytes.end());
      CHECK(target.run(block.data(), block.size()) == 0);
      ++seeds;
    }
    INFO(target.name);
    CHECK(seeds >= 3);
  }
}

TEST_CASE("every folder of the corpus belongs to a fuzz target") {
  std::set<std::string> known;
  for (const Target& target : kTargets) known.insert(target.name);
  for (const auto& folder : std::filesystem::directory_iterator(corpus())) {
    CHECK(known.count(folder.path().filename().string()) == 1);
  }
}

}  // namespace
}  // namespace lethe::test
