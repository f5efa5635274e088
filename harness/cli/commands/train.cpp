// SPDX-License-Identifier: Apache-2.0
#include <optional>

#include "harness/base/error.h"
#include "harness/base/hash.h"
#include "harness/base/json.h"
#include "harness/base/text.h"
#include "harness/cli/commands/commands.h"
#include "harness/cli/root.h"
#include "harness/cli/training_console.h"
#include "harness/cli/training_files.h"
#include "harness/cli/training_recorder.h"
#include "models/engine/evaluate.h"
#include "training/rmt_trainer.h"

namespace lethe::cli {

namespace {

namespace fs = std::filesystem;

fs::path weights_of(const fs::path& out) {
  return out / "model.safetensors";
}

store::TrainingRecord record_of(const training::RmtRecipe& recipe,
                                const training::RmtTrainOptions& train) {
  return {.kind = "rmt",
          .name = "rmt-" + recipe.name,
          .recipe = training::rmt_run_inputs(recipe, train),
          .seed = static_cast<std::int64_t>(train.seed)};
}

/// What the database lacks when the checkpoint is there already: the end of a run that was killed
/// after it had written its result.
void note_trained(TrainingRecorder& recorder, const training::RmtTrainOptions& train,
                  TrainingConsole& console) {
  const auto stored = recorder.find();
  if (!stored) {
    console.message("its learning curves are not in the database: it was trained without --db");
  } else if (stored->status != store::TrainingStatus::kDone) {
    recorder.begin(training_provenance_record(train.device, train.threads));
    recorder.done(sha256_file(weights_of(train.out)));
  }
}

}  // namespace

int run_train(const Options& options) {
  if (options.choice("WHAT", "", {"rmt", "namm"}) == "namm") return train_namm(options);
  for (const char* given : {"workers", "dtype"}) {
    if (options.has(given)) {
      throw Error(ErrorKind::kUsage, std::string("--") + given + " is for train namm");
    }
  }
  auto recipe = training::read_rmt_recipe(
      recipe_path(options.text("recipe"), root_folder() / "data" / "rmt" / "recipes"),
      root_folder());
  // A recipe that ships names a folder beside data/.
  if (const fs::path& given = recipe.model.backbone; !given.empty() && !fs::exists(given)) {
    recipe.model.backbone = (root_folder() / given).string();
  }
  if (options.has("backbone")) {
    recipe.model.backbone = options.text("backbone");
    recipe.text["model"].as_object()["backbone"] = recipe.model.backbone;  // into the provenance
  }
  training::RmtTrainOptions train;
  train.seed = static_cast<std::uint64_t>(options.integer("seed", 1, 0));
  train.threads = static_cast<int>(options.integer("threads", models::compute_threads(), 1, 1024));
  train.device = options.text("device", "cpu");
  train.out = options.text("out");
  train.vocabulary = root_folder() / "data" / "rmt";
  train.keep_stages = options.has("keep-stages");
  train.state_seconds = options.number("state-seconds", 60);
  train.provenance = training_provenance(train.threads);
  // Threads share the shards of a batch; a product of one shard has one.
  models::set_compute_threads(1);
  const std::string what = recipe.name + ", seed " + std::to_string(train.seed);
  std::optional<TrainingRecorder> recorder;
  if (const auto database = options.find("db")) {
    recorder.emplace(
        *database, record_of(recipe, train),
        "lethe train rmt --recipe " + recipe.name + " --seed " + std::to_string(train.seed));
  }
  TrainingConsole console(recorder ? &*recorder : nullptr,
                          {"step", "train_accuracy", [](double accuracy) {
                             return "accuracy " + fixed(100 * accuracy, 1) + " %";
                           }});
  if (training::is_trained(recipe, train)) {
    console.message(train.out.string() + " is trained: recipe " + what);
    if (recorder) note_trained(*recorder, train, console);
    return kExitOk;
  }
  training::require_free(recipe, train);
  if (recorder) recorder->begin(training_provenance_record(train.device, train.threads));
  training::RmtTrainResult result;
  try {
    result = training::train_rmt(recipe, train, console);
  } catch (const std::exception& error) {
    if (recorder) recorder->failed(error.what());
    throw;
  }
  if (!result.finished) {
    if (recorder) recorder->interrupted(result.steps);
    console.message("stopped after step " + std::to_string(result.steps) +
                    "; the same command goes on from there");
    return kExitInterrupted;
  }
  if (recorder) recorder->done(sha256_file(weights_of(train.out)));
  console.message("trained " + what + ": " + std::to_string(result.steps) + " steps in " +
                  human_duration(result.seconds) + " -> " + train.out.string());
  return kExitOk;
}

}  // namespace lethe::cli
