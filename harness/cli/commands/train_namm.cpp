// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <fstream>
#include <optional>
#include <utility>

#include "harness/base/error.h"
#include "harness/base/json.h"
#include "harness/base/text.h"
#include "harness/cli/commands/commands.h"
#include "harness/cli/namm_workers.h"
#include "harness/cli/root.h"
#include "harness/cli/scratch_folder.h"
#include "harness/cli/shipped_trainings.h"
#include "harness/cli/suites.h"
#include "harness/cli/training_console.h"
#include "harness/cli/training_files.h"
#include "harness/cli/training_recorder.h"
#include "models/engine/evaluate.h"
#include "policies/namm/parameters.h"
#include "training/namm_trainer.h"

namespace lethe::cli {

namespace {

namespace fs = std::filesystem;

/// `OUT/generations.jsonl`: one whole record for each generation, in order. A run that goes on
/// drops what an earlier one wrote past its state.
class GenerationFile {
 public:
  explicit GenerationFile(fs::path path) : path_(std::move(path)) {}

  void keep(std::int64_t generations) {
    std::string kept;
    if (fs::exists(path_)) {
      const std::string text = read_file(path_, ErrorKind::kData);
      std::size_t begin = 0, end = 0;
      // (What follows the last line's end is half of one that a kill cut off.)
      for (; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
        const std::string line = text.substr(begin, end - begin);
        const json::value value = parse_json(line, path_.string(), ErrorKind::kData);
        if (ObjectReader(value, path_.string(), ErrorKind::kData).integer("generation") >
            generations) {
          break;
        }
        kept += line + "\n";
      }
    }
    write_file_atomically(path_, kept);
  }

  void add(const json::object& record) {
    std::ofstream out(path_, std::ios::app);
    out << json::serialize(record) << "\n" << std::flush;
    if (!out) throw Error(ErrorKind::kStore, "cannot write " + path_.string() + " (disk full?)");
  }

 private:
  fs::path path_;
};

class Sink final : public training::NammSink {
 public:
  Sink(TrainingConsole& console, GenerationFile& file) : console_(console), file_(file) {}

  void resumed(std::int64_t step) override {
    file_.keep(step);
    console_.resumed(step);
  }
  void point(std::int64_t step, const std::string& stage, const std::string& metric,
             double value) override {
    console_.point(step, stage, metric, value);
  }
  bool stop_requested() override { return console_.stop_requested(); }
  void saving(std::int64_t step) override { console_.saving(step); }
  void message(const std::string& text) override { console_.message(text); }
  void progress(std::int64_t done, std::int64_t most) override { console_.progress(done, most); }
  void generation(const training::NammGeneration& generation,
                  const training::NammStage& stage) override {
    file_.add(training::to_json(generation, stage));
  }

 private:
  TrainingConsole& console_;
  GenerationFile& file_;
};

std::vector<double> initial_mean(const training::NammRecipe& recipe) {
  const auto variant =
      recipe.policy.scorer == "mlp" ? policies::NammVariant::kMlp : policies::NammVariant::kBam;
  std::vector<double> mean(policies::namm_weight_count(variant, recipe.policy.hidden));
  mean.back() = recipe.policy.bias;  // b, added to every score, comes last
  return mean;
}

store::TrainingRecord record_of(const training::NammRecipe& recipe,
                                const training::NammTrainOptions& train) {
  return {.kind = "namm",
          .name = "namm-" + recipe.name,
          .recipe = {{"recipe", recipe.text}, {"inputs", train.inputs}},
          .seed = static_cast<std::int64_t>(train.seed)};
}

/// The curves of the run, from which a report can be made where the run's database is not at hand.
json::array history_json(const training::NammRecipe& recipe,
                         const training::NammTrainResult& result) {
  json::array entries;
  for (const training::NammHistoryEntry& entry : result.history) {
    json::object object{{"generation", entry.generation},
                        {"stage", recipe.stages.at(static_cast<std::size_t>(entry.stage)).name},
                        {"sigma", entry.sigma},
                        {"mean_norm", entry.mean_norm},
                        {"fitness_mean", entry.fitness_mean},
                        {"fitness_best", entry.fitness_best},
                        {"cache_mean", entry.cache_mean},
                        {"cache_peak", entry.cache_peak}};
    if (std::isfinite(entry.selection)) object["selection_fitness"] = entry.selection;
    entries.push_back(std::move(object));
  }
  for (const training::NammEntry& entry : result.entries) {
    entries.push_back({{"generation", entry.generation},
                       {"stage", recipe.stages.at(static_cast<std::size_t>(entry.stage)).name},
                       {"entry_fitness", entry.fitness},
                       {"entry_cache_mean", entry.cache_mean},
                       {"entry_cache_peak", entry.cache_peak}});
  }
  return entries;
}

/// Parameters that a finished run leaves: those that did best on the prompts for selection, and the
/// last mean beside them.
void write_result(const training::NammRecipe& recipe, const training::NammTrainOptions& train,
                  const training::NammTrainResult& result, int threads) {
  json::object provenance = training_provenance(threads);
  provenance["recipe"] = recipe.text;
  provenance["seed"] = train.seed;
  provenance["inputs"] = train.inputs;
  provenance["run_key"] = training::namm_run_key(recipe, train);
  provenance["generations"] = result.generations;
  provenance["seconds"] = result.seconds;
  provenance["history"] = history_json(recipe, result);
  const bool selected = !result.best_mean.empty();
  const auto write = [&](const char* name, const std::vector<double>& mean, json::object more) {
    policies::NammParameters parameters = namm_parameters(recipe, mean, result.normalisation);
    parameters.provenance = provenance;
    for (auto& member : more) parameters.provenance[member.key()] = member.value();
    policies::write_namm_file(train.out / name, parameters);
  };
  write("last.json", result.mean, {{"generation", result.generations}});
  write("namm.json", selected ? result.best_mean : result.mean,
        {{"generation", selected ? result.best_generation : result.generations},
         {"selection_fitness", selected ? json::value(result.best_fitness) : json::value()}});
}

std::string evolved_sha256(const fs::path& out) {
  return policies::namm_content_sha256(policies::read_namm_file(out / "namm.json"));
}

/// Whether OUT/namm.json is what this run would make.
bool is_evolved(const training::NammRecipe& recipe, const training::NammTrainOptions& train) {
  const fs::path file = train.out / "namm.json";
  if (!fs::is_regular_file(file)) return false;
  const auto parameters = policies::read_namm_file(file);
  const auto* key = parameters.provenance.if_contains("run_key");
  if (key && *key == json::value(training::namm_run_key(recipe, train))) return true;
  throw Error(ErrorKind::kConfig,
              train.out.string() + ": expected a new folder or one of recipe " + recipe.name +
                  ", seed " + std::to_string(train.seed) +
                  ", found the parameters of another finished run; give another --out, or delete "
                  "it");
}

}  // namespace

int train_namm(const Options& options) {
  for (const char* given : {"backbone", "keep-stages", "state-seconds"}) {
    if (options.has(given)) {
      throw Error(ErrorKind::kUsage, std::string("--") + given + " is for train rmt");
    }
  }
  const auto recipe = training::read_namm_recipe(
      recipe_path(options.text("recipe"), root_folder() / "data" / "namm" / "recipes"));
  const fs::path out = options.text("out");
  const ScratchFolder scratch;
  NammWorkersOptions evaluation;
  const auto share = worker_share(options);
  evaluation.dtype = models::to_string(models::parse_dtype(options.text("dtype", "float32")));
  evaluation.device_kind = device_kind(options);
  evaluation.scratch = scratch.path();
  evaluation.pool.worker_command = {engine_program().string(), "worker", "--threads",
                                    std::to_string(share.threads)};
  evaluation.pool.workers = share.workers;
  evaluation.pool.devices = devices(options);
  evaluation.pool.share_memory = true;
  evaluation.pool.log_dir = out / "logs";
  prepare_engine_environment();
  // Features are gathered in this process: with one thread, so that the bits do not depend on how
  // many there are.
  models::set_compute_threads(1);

  training::NammTrainOptions train;
  train.seed = static_cast<std::uint64_t>(options.integer("seed", 1, 0));
  train.out = out;
  train.initial_mean = initial_mean(recipe);
  TrainingConsole* console_of_pool = nullptr;
  evaluation.stop_requested = [&] { return console_of_pool->stop_requested(); };
  evaluation.progress = [&](std::size_t done, std::size_t of) {
    console_of_pool->within(std::to_string(done) + " of " + std::to_string(of) + " evaluations");
  };
  NammWorkers workers(recipe, std::move(evaluation));
  train.inputs = workers.inputs();
  std::optional<TrainingRecorder> recorder;
  if (const auto database = options.find("db")) {
    recorder.emplace(
        *database, record_of(recipe, train),
        "lethe train namm --recipe " + recipe.name + " --seed " + std::to_string(train.seed));
  }
  TrainingConsole console(recorder ? &*recorder : nullptr,
                          {"generation", "fitness_mean",
                           [](double fitness) { return "fitness " + fixed(fitness, 3); }});
  console_of_pool = &console;
  const std::string what = recipe.name + ", seed " + std::to_string(train.seed);
  if (is_evolved(recipe, train)) {
    console.message(out.string() + " is evolved: recipe " + what);
    recorder.reset();  // it holds the lock of the database
    if (const auto database = options.find("db")) {
      store_namm_training(policies::read_namm_file(out / "namm.json"), *database);
    }
    return kExitOk;
  }
  // (A folder that cannot be made is told by the first file that cannot be written.)
  std::error_code ec;
  fs::create_directories(out, ec);
  if (recorder) {
    recorder->begin(training_provenance_record(options.text("device", "cpu"), share.threads));
  }
  GenerationFile file(out / "generations.jsonl");
  Sink sink(console, file);
  training::NammTrainResult result;
  try {
    result = training::train_namm(recipe, train, workers, sink);
    if (result.finished) write_result(recipe, train, result, share.threads);
  } catch (const std::exception& error) {
    if (recorder) recorder->failed(error.what());
    throw;
  }
  if (!result.finished) {
    if (recorder) recorder->interrupted(result.generations);
    console.message("stopped after generation " + std::to_string(result.generations) +
                    "; the same command goes on from there");
    return kExitInterrupted;
  }
  training::remove_namm_state(train);
  if (recorder) recorder->done(evolved_sha256(out));
  console.message("evolved " + what + ": " + std::to_string(result.generations) +
                  " generations in " + human_duration(result.seconds) + " -> " + out.string());
  return kExitOk;
}

}  // namespace lethe::cli
