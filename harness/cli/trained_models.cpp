// SPDX-License-Identifier: Apache-2.0
#include "harness/cli/trained_models.h"

#include <string>
#include <string_view>
#include <vector>

#include <boost/process.hpp>

#include "harness/base/error.h"
#include "harness/base/spec.h"
#include "harness/cli/root.h"
#include "harness/cli/suites.h"
#include "harness/runner/interrupts.h"

namespace lethe::cli {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "checkpoints/";

// The trainer hears Ctrl-C itself and saves its state; here it must not end us first.
void train(const grid::TrainingWanted& wanted, std::int64_t seed, const fs::path& out,
           const fs::path& database, const Options& options) {
  prepare_engine_environment();
  runner::Interrupts interrupts(true);
  std::vector<std::string> words{"train",  wanted.kind,          "--recipe", wanted.recipe,
                                 "--seed", std::to_string(seed), "--out",    out.string(),
                                 "--db",   database.string()};
  const bool rmt = wanted.kind == "rmt";
  if (rmt) words.emplace_back("--keep-stages");
  if (const auto list = devices(options); !list.empty()) {
    words.insert(words.end(), {"--device", rmt ? list.front() : options.text("device")});
  }
  for (const char* name : {"threads", "workers"}) {
    if (options.has(name) && !(rmt && name == std::string_view("workers"))) {
      words.insert(words.end(), {"--" + std::string(name), options.text(name)});
    }
  }
  const int code = boost::process::system(engine_program().string(), boost::process::args(words));
  if (interrupts.take() > 0 || code == kExitInterrupted) {
    throw Error(ErrorKind::kInterrupted,
                "training was stopped; the same command goes on from there");
  }
  if (code != kExitOk) {
    throw Error(ErrorKind::kConfig, "training by recipe " + wanted.recipe + ", seed " +
                                        std::to_string(seed) + " ended with exit code " +
                                        std::to_string(code) + "; see its message above");
  }
}

void name_folders(grid::Suite& suite, const fs::path& out_dir) {
  for (std::string& model : suite.models) {
    if (model.starts_with(kPrefix)) model = (out_dir / model).string();
  }
  for (std::string& policy : suite.policies) {
    Spec spec = Spec::parse(policy, ErrorKind::kPolicy);
    if (spec.name != "namm") continue;
    for (auto& [key, value] : spec.options) {
      if (key == "weights" && value.starts_with(kPrefix)) {
        value = (out_dir / value / "namm.json").string();
      }
    }
    policy = spec.text();
  }
}

}  // namespace

void train_missing(grid::Suite& suite, const fs::path& out_dir, const fs::path& database,
                   const Options& options) {
  for (const grid::TrainingWanted& wanted : suite.train) {
    for (const std::int64_t seed : wanted.seeds) {
      const std::string name = wanted.recipe + "-" + std::to_string(seed);
      train(wanted, seed, out_dir / kPrefix / name, database, options);
    }
  }
  name_folders(suite, out_dir);
  for (grid::Suite& part : suite.parts) name_folders(part, out_dir);
}

}  // namespace lethe::cli
