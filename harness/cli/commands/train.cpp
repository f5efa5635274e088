// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <optional>

#include "harness/base/clock.h"
#include "harness/base/error.h"
#include "harness/base/json.h"
#include "harness/base/machine.h"
#include "harness/base/names.h"
#include "harness/base/text.h"
#include "harness/base/version.h"
#include "harness/cli/commands/commands.h"
#include "harness/cli/root.h"
#include "harness/cli/training_recorder.h"
#include "harness/runner/interrupts.h"
#include "harness/store/provenance.h"
#include "models/engine/evaluate.h"
#include "training/rmt_trainer.h"

namespace lethe::cli {

namespace {

namespace fs = std::filesystem;

/// A recipe by name (data/rmt/recipes) or by path.
fs::path recipe_path(const std::string& given) {
  const fs::path folder = root_folder() / "data" / "rmt" / "recipes";
  if (fs::is_regular_file(folder / (given + ".json"))) return folder / (given + ".json");
  if (fs::is_regular_file(given)) return given;
  std::vector<std::string> known;
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(folder, ec)) {
    known.push_back(entry.path().stem().string());
  }
  std::ranges::sort(known);
  throw unknown_name(ErrorKind::kConfig, "recipe (or file)", given, known);
}

/// Lines on standard error, Ctrl-C, and the result database where there is one.
class Console final : public training::EventSink {
 public:
  explicit Console(TrainingRecorder* recorder)
      : recorder_(recorder), interrupts_(true), terminal_(isatty(STDERR_FILENO) == 1) {}

  void resumed(std::int64_t step) override {
    if (recorder_) recorder_->resumed(step);
  }
  void point(std::int64_t step, const std::string& stage, const std::string& metric,
             double value) override {
    if (metric == "train_accuracy") accuracy_ = value;
    stage_ = stage;
    if (recorder_) recorder_->point({step, stage, metric, value});
  }
  bool stop_requested() override {
    stopped_ = stopped_ || interrupts_.take() > 0;
    return stopped_;
  }
  void saving(std::int64_t) override {
    if (recorder_) recorder_->flush();
  }
  void message(const std::string& text) override { line(text, true); }
  void progress(std::int64_t done, std::int64_t most) override {
    if (recorder_) recorder_->flush_if_due();
    const double now = system_clock().steady_seconds();
    if (first_step_ < 0) {
      first_step_ = done - 1;
      began_ = now;
    }
    if (now - painted_ < (terminal_ ? 0.5 : 30)) return;
    painted_ = now;
    const double each = (now - began_) / static_cast<double>(done - first_step_);
    line("step " + std::to_string(done) + " of at most " + std::to_string(most) + ", stage " +
             stage_ + ", accuracy " + fixed(100 * accuracy_, 1) + " %, at most " +
             human_duration(each * static_cast<double>(most - done)) + " left",
         !terminal_);
  }
  ~Console() override {
    if (open_) std::cerr << "\n";
  }

 private:
  void line(const std::string& text, bool ends) {
    if (open_) std::cerr << "\r\x1b[K";
    std::cerr << text << (ends ? "\n" : "") << std::flush;
    open_ = !ends;
  }

  TrainingRecorder* recorder_;
  runner::Interrupts interrupts_;
  bool terminal_, stopped_ = false, open_ = false;
  std::string stage_;
  double accuracy_ = 0, began_ = 0, painted_ = 0;
  std::int64_t first_step_ = -1;
};

fs::path weights_of(const fs::path& out) {
  return out / "model.safetensors";
}

json::object provenance(int threads) {
  return {{"version", version().version},
          {"commit", version().git_commit},
          {"torch", models::torch_version()},
          {"cpu", cpu_name()},
          {"threads", threads},
          {"trained_at", utc_text(system_clock().unix_ms())}};
}

store::TrainingRecord record_of(const training::RmtRecipe& recipe,
                                const training::RmtTrainOptions& train) {
  return {.kind = "rmt",
          .name = "rmt-" + recipe.name,
          .recipe = training::rmt_run_inputs(recipe, train),
          .seed = static_cast<std::int64_t>(train.seed)};
}

store::ProvenanceRecord provenance_record(const training::RmtTrainOptions& train) {
  store::ProvenanceRecord record;
  store::name_program(record);
  record.torch_version = models::torch_version();
  record.cpu = cpu_name();
  record.device = train.device;
  record.threads = train.threads;
  return record;
}

/// What the database lacks when the checkpoint is there already: the end of a run that was killed
/// after it had written its result.
void note_trained(TrainingRecorder& recorder, const training::RmtTrainOptions& train,
                  Console& console) {
  const auto stored = recorder.find();
  if (!stored) {
    console.message("its learning curves are not in the database: it was trained without --db");
  } else if (stored->status != store::TrainingStatus::kDone) {
    recorder.begin(provenance_record(train));
    recorder.done(weights_of(train.out));
  }
}

}  // namespace

int run_train(const Options& options) {
  options.choice("WHAT", "", {"rmt"});
  auto recipe = training::read_rmt_recipe(recipe_path(options.text("recipe")), root_folder());
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
  train.provenance = provenance(train.threads);
  // Threads share the shards of a batch; a product of one shard has one.
  models::set_compute_threads(1);
  const std::string what = recipe.name + ", seed " + std::to_string(train.seed);
  std::optional<TrainingRecorder> recorder;
  if (const auto database = options.find("db")) {
    recorder.emplace(
        *database, record_of(recipe, train),
        "lethe train rmt --recipe " + recipe.name + " --seed " + std::to_string(train.seed));
  }
  Console console(recorder ? &*recorder : nullptr);
  if (training::is_trained(recipe, train)) {
    console.message(train.out.string() + " is trained: recipe " + what);
    if (recorder) note_trained(*recorder, train, console);
    return kExitOk;
  }
  training::require_free(recipe, train);
  if (recorder) recorder->begin(provenance_record(train));
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
  if (recorder) recorder->done(weights_of(train.out));
  console.message("trained " + what + ": " + std::to_string(result.steps) + " steps in " +
                  human_duration(result.seconds) + " -> " + train.out.string());
  return kExitOk;
}

}  // namespace lethe::cli
