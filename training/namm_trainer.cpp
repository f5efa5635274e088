// SPDX-License-Identifier: Apache-2.0
#include "training/namm_trainer.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <optional>
#include <utility>

#include "harness/base/clock.h"
#include "harness/base/error.h"
#include "harness/base/hash.h"
#include "harness/base/names.h"
#include "harness/base/state_file.h"
#include "harness/base/text.h"
#include "training/evolution.h"
#include "training/namm_fitness.h"
#include "training/namm_progress.h"

namespace lethe::training {
namespace {

constexpr std::int64_t kMostAttempts = 3;  // at one call of the evaluator
constexpr std::int64_t kMostDraws = 10;    // of a generation's prompts

std::filesystem::path state_path(const NammTrainOptions& options) {
  return options.out / "namm.state";
}

std::vector<std::vector<std::vector<std::string>>> all_records(const NammRecipe& recipe,
                                                               PopulationEvaluator& evaluator) {
  std::vector<std::vector<std::vector<std::string>>> records;
  for (const NammStage& stage : recipe.stages) {
    auto& of_stage = records.emplace_back();
    for (const NammTask& task : stage.tasks) of_stage.push_back(evaluator.records(task));
  }
  return records;
}

std::vector<std::string> dropped_tasks(const NammStage& stage, const std::vector<bool>& counted) {
  std::vector<std::string> names;
  for (std::size_t t = 0; t < counted.size(); ++t) {
    if (!counted[t]) names.push_back(stage.tasks[t].task);
  }
  return names;
}

bool any(const std::vector<bool>& counted) {
  return std::ranges::find(counted, true) != counted.end();
}

class Trainer {
 public:
  Trainer(const NammRecipe& recipe, const NammTrainOptions& options, PopulationEvaluator& evaluator,
          NammSink& events)
      : recipe_(recipe),
        options_(options),
        evaluator_(evaluator),
        events_(events),
        search_(recipe.optimiser, options.initial_mean, options.seed),
        prompts_(recipe, options.seed, all_records(recipe, evaluator)),
        key_(namm_run_key(recipe, options)) {}

  NammTrainResult run() {
    resume();
    began_ = system_clock().steady_seconds() - progress_.seconds;
    bool finished = false;
    try {
      finished = evolve();
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kInterrupted) throw;
      load_state();  // nothing of the generation that was broken off counts
    }
    return result(finished);
  }

 private:
  bool evolve() {
    if (progress_.normalisation.means.empty()) {
      normalise();
      save_state();
    }
    while (progress_.stage < std::ssize(recipe_.stages)) {
      if (events_.stop_requested()) {
        save_state();
        return false;
      }
      if (!progress_.entered) {
        enter_stage();
      } else {
        next_generation();
      }
      save_state();
    }
    return true;
  }

  const NammStage& stage() const {
    return recipe_.stages[static_cast<std::size_t>(progress_.stage)];
  }

  NammRequest request(NammPrompts prompts) const {
    return {search_.generation(), stage(), std::move(prompts),
            recipe_.fitness == NammFitness::kLikelihood};
  }

  /// Calls the evaluator, again after a lost worker: a call counts whole or not at all. Returns the
  /// attempts that it took.
  template <typename Call>
  std::int64_t attempt(Call&& call) {
    for (std::int64_t attempts = 1;; ++attempts) {
      try {
        call();
        return attempts;
      } catch (const Error& error) {
        const bool lost = error.kind() == ErrorKind::kCrash || error.kind() == ErrorKind::kTimeout;
        if (!lost || attempts == kMostAttempts) throw;
        events_.message("generation " + std::to_string(search_.generation() + 1) +
                        " is evaluated again: " + error.what());
      }
    }
  }

  void normalise() {
    const NammRequest asked = request(prompts_.normalisation());
    NammNormalisation found;
    attempt([&] { found = evaluator_.normalisation(asked); });
    const auto valid = [](double value) { return std::isfinite(value) && value >= 0; };
    if (found.means.empty() || found.means.size() != found.deviations.size() ||
        !std::ranges::all_of(found.means, valid) || !std::ranges::all_of(found.deviations, valid)) {
      throw Error(ErrorKind::kModel,
                  "the features' means and deviations are not finite, negative or not one each");
    }
    progress_.normalisation = std::move(found);
  }

  NammOutcome full_cache(const NammRequest& asked) {
    NammOutcome base;
    attempt([&] { base = evaluator_.full_cache(asked); });
    check_outcome(asked, base, "the full cache, generation " + std::to_string(asked.generation));
    return base;
  }

  std::string no_task_counts() const {
    return "recipe " + recipe_.name + ", stage " + stage().name +
           ": the full cache scores less than least_base (" + std::to_string(recipe_.least_base) +
           ") on every task; use easier tasks, more prompts, or the fitness 'likelihood'";
  }

  /// The mean on the stage's selection prompts.
  NammSelection select() {
    const NammRequest asked = request(prompts_.held_out(progress_.stage, NammUse::kSelection));
    const NammOutcome& base = progress_.selection_base;
    const auto counted = counted_tasks(recipe_, base);
    if (!any(counted)) throw Error(ErrorKind::kModel, no_task_counts());
    const std::vector<std::vector<double>> means{search_.mean()};
    std::vector<NammOutcome> outcomes;
    attempt([&] { outcomes = evaluator_.evaluate(asked, progress_.normalisation, means); });
    const std::string who = "selection after generation " + std::to_string(asked.generation);
    LETHE_ASSERT(outcomes.size() == 1,
                 who + ": expected one outcome, found " + std::to_string(outcomes.size()));
    check_outcome(asked, outcomes[0], who);
    return {fitness_of(recipe_, base, counted, outcomes[0]), outcomes[0], base,
            dropped_tasks(stage(), counted)};
  }

  void compete(double fitness) {
    if (progress_.best_generation >= 0 && fitness <= progress_.best_fitness) return;
    progress_.best_fitness = fitness;
    progress_.best_generation = search_.generation();
    progress_.best_mean = search_.mean();
  }

  void tell_selection(const NammSelection& selection, const std::string& metric) {
    point(metric + "_fitness", selection.fitness);
    point(metric + "_cache_mean", selection.outcome.cache_mean);
    point(metric + "_cache_peak", selection.outcome.cache_peak);
    tell_scores(selection.outcome, metric + "_score:");
    tell_scores(selection.base, metric + "_base:");
  }

  void tell_scores(const NammOutcome& outcome, const std::string& metric) {
    for (std::size_t t = 0; t < outcome.scores.size(); ++t) {
      point(metric + stage().tasks[t].task, outcome.scores[t]);
    }
  }

  void point(const std::string& metric, double value) {
    events_.point(search_.generation(), stage().name, metric, value);
  }

  /// Fitnesses of stages are over other tasks: the best starts anew, from the mean carried over.
  void enter_stage() {
    progress_.selection_base =
        full_cache(request(prompts_.held_out(progress_.stage, NammUse::kSelection)));
    progress_.best_generation = -1;
    progress_.best_mean.clear();
    const NammSelection selection = select();
    if (search_.generation() > 0) compete(selection.fitness);
    progress_.entered = true;
    progress_.entries.push_back({search_.generation(), progress_.stage, selection.fitness,
                                 selection.outcome.cache_mean, selection.outcome.cache_peak});
    tell_selection(selection, "entry");
    std::string text = "stage " + stage().name + ": enters with " + describe(selection) +
                       " on the prompts of selection";
    if (!selection.dropped.empty()) text += "; left out: " + join(selection.dropped, ", ");
    events_.message(text);
  }

  std::string describe(const NammSelection& selection) const {
    return to_string(recipe_.fitness) + " " + fixed(selection.fitness, 4) + ", " +
           fixed(selection.outcome.cache_mean, 1) + " tokens kept";
  }

  /// Prompts on which some task counts, and what the full cache scores on them.
  void draw_prompts(NammGeneration& record, std::vector<bool>& counted) {
    for (record.draws = 1;; ++record.draws) {
      const NammRequest asked =
          request(prompts_.training(progress_.stage, search_.generation(), record.draws));
      record.base = full_cache(asked);
      counted = counted_tasks(recipe_, record.base);
      if (any(counted)) {
        record.prompts = asked.prompts;
        record.dropped = dropped_tasks(stage(), counted);
        return;
      }
      if (record.draws == kMostDraws) throw Error(ErrorKind::kModel, no_task_counts());
    }
  }

  void next_generation() {
    NammGeneration record;
    record.generation = search_.generation() + 1;
    record.stage = stage().name;
    record.seed = options_.seed;
    record.sigma = search_.sigma();
    record.mean_norm = std::sqrt(std::inner_product(search_.mean().begin(), search_.mean().end(),
                                                    search_.mean().begin(), 0.0));
    std::vector<bool> counted;
    draw_prompts(record, counted);
    evaluate(record, counted);
    ++progress_.stage_generation;
    const bool last = progress_.stage_generation == stage().generations;
    if (last || search_.generation() % recipe_.selection_every == 0) {
      record.selection = select();
      compete(record.selection->fitness);
    }
    tell(record);
    if (last) leave_stage();
  }

  /// Tells the search what its members are worth, all of them or none.
  void evaluate(NammGeneration& record, const std::vector<bool>& counted) {
    const auto members = search_.ask();
    const NammRequest asked = request(record.prompts);
    record.attempts = attempt(
        [&] { record.members = evaluator_.evaluate(asked, progress_.normalisation, members); });
    const std::string where = "generation " + std::to_string(record.generation);
    LETHE_ASSERT(record.members.size() == members.size(),
                 where + ": expected " + std::to_string(members.size()) + " members, found " +
                     std::to_string(record.members.size()));
    for (std::size_t i = 0; i < members.size(); ++i) {
      check_outcome(asked, record.members[i], where + ", member " + std::to_string(i));
      record.fitnesses.push_back(fitness_of(recipe_, record.base, counted, record.members[i]));
    }
    search_.tell(record.fitnesses);
  }

  void tell(const NammGeneration& record) {
    const NammHistoryEntry entry = history_entry(record, progress_.stage);
    progress_.history.push_back(entry);
    point("sigma", record.sigma);
    point("mean_norm", record.mean_norm);
    point("fitness_mean", entry.fitness_mean);
    point("fitness_best", entry.fitness_best);
    point("cache_mean", entry.cache_mean);
    point("cache_peak", entry.cache_peak);
    point("dropped_tasks", static_cast<double>(record.dropped.size()));
    tell_scores(record.base, "base:");
    if (record.selection) {
      tell_selection(*record.selection, "selection");
      events_.message("generation " + std::to_string(record.generation) + ": " +
                      describe(*record.selection) + ", best " + fixed(progress_.best_fitness, 4) +
                      " of generation " + std::to_string(progress_.best_generation));
    }
    events_.generation(record, stage());
    events_.progress(search_.generation(), recipe_.generations());
  }

  /// The search goes on as it is: mean, sigma, covariance, paths and features' norms.
  void leave_stage() {
    ++progress_.stage;
    progress_.stage_generation = 0;
    progress_.entered = false;
  }

  void save_state() {
    progress_.seconds = system_clock().steady_seconds() - began_;
    events_.saving(search_.generation());
    StateWriter state;
    search_.save(state);
    progress_.save(state);
    std::error_code ec;
    std::filesystem::create_directories(options_.out, ec);
    write_file_atomically(state_path(options_), state.finish(key_));
  }

  void resume() {
    began_ = system_clock().steady_seconds();
    if (!std::filesystem::exists(state_path(options_))) {
      events_.resumed(0);
      save_state();  // a folder that cannot be written is found now, not after hours
      return;
    }
    try {
      load_state();
    } catch (const Error& error) {
      throw Error(ErrorKind::kData, state_path(options_).string() + ": " + error.what() +
                                        "; it is the state of an unfinished run: go on with its "
                                        "recipe and seed, give another --out, or delete it");
    }
    events_.resumed(search_.generation());
    events_.message("goes on after generation " + std::to_string(search_.generation()));
  }

  void load_state() {
    const StateReader state(read_file(state_path(options_), ErrorKind::kData), key_);
    search_.load(state);
    progress_ = NammProgress::load(state);
  }

  NammTrainResult result(bool finished) const {
    return {.finished = finished,
            .generations = search_.generation(),
            .seconds = progress_.seconds,
            .mean = search_.mean(),
            .best_mean = progress_.best_mean,
            .best_fitness = progress_.best_fitness,
            .best_generation = progress_.best_generation,
            .normalisation = progress_.normalisation,
            .history = progress_.history,
            .entries = progress_.entries};
  }

  const NammRecipe& recipe_;
  const NammTrainOptions& options_;
  PopulationEvaluator& evaluator_;
  NammSink& events_;
  EvolutionStrategy search_;
  NammPromptSource prompts_;
  std::string key_;
  double began_ = 0;  ///< steady seconds, less those of earlier processes
  NammProgress progress_;
};

}  // namespace

std::string namm_run_key(const NammRecipe& recipe, const NammTrainOptions& options) {
  std::string bits;
  for (const double value : options.initial_mean) {
    bits += std::to_string(std::bit_cast<std::uint64_t>(value)) + " ";
  }
  return sha256_hex(canonical_json(json::object{{"kind", "namm"},
                                                {"recipe", recipe.text},
                                                {"inputs", options.inputs},
                                                {"initial_mean", sha256_hex(bits)},
                                                {"seed", options.seed}}));
}

NammTrainResult train_namm(const NammRecipe& recipe, const NammTrainOptions& options,
                           PopulationEvaluator& evaluator, NammSink& events) {
  return Trainer(recipe, options, evaluator, events).run();
}

void remove_namm_state(const NammTrainOptions& options) {
  std::error_code ec;
  std::filesystem::remove(state_path(options), ec);
}

}  // namespace lethe::training
