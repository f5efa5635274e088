// SPDX-License-Identifier: Apache-2.0
#include <map>
#include <string>
#include <vector>

#include "harness/base/error.h"
#include "harness/base/names.h"
#include "harness/cli/commands/commands.h"
#include "harness/cli/commands/engine_benches.h"

namespace lethe::cli {

namespace {

struct Benchmark {
  int (*run)(const Options&);
  std::vector<std::string> options;  // those of its own; the rest is common
};

const std::map<std::string, Benchmark>& benchmarks() {
  static const std::map<std::string, Benchmark> kAll = {
      {"exact",
       {bench_exact, {"tokens", "step-tokens", "policies", "lengths", "block-rows", "chunk"}}},
      {"generate",
       {bench_generate,
        {"batches", "prompt-tokens", "max-new", "schedule", "kv-dtypes", "contexts"}}}};
  return kAll;
}

}  // namespace

int run_bench(const Options& options) {
  const std::string what = options.text("WHAT");
  const auto chosen = benchmarks().find(what);
  if (chosen == benchmarks().end()) {
    const std::vector<std::string> known{"exact", "generate", "harness", "scorers", "tokenizers"};
    throw unknown_name(ErrorKind::kUsage, "benchmark", what, known);
  }
  for (const auto& [name, other] : benchmarks()) {
    if (name == what) continue;
    for (const auto& option : other.options) {
      if (!options.has(option)) continue;
      throw Error(ErrorKind::kUsage, "--" + option + " is an option of `lethe bench " + name +
                                         "`, not of `lethe bench " + what + "`");
    }
  }
  return chosen->second.run(options);
}

}  // namespace lethe::cli
