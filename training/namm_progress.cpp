// SPDX-License-Identifier: Apache-2.0
#include "training/namm_progress.h"

#include <cstddef>

#include "harness/base/error.h"

namespace lethe::training {
namespace {

constexpr std::size_t kHistoryNumbers = 9;

std::vector<double> flat(const std::vector<NammHistoryEntry>& history) {
  std::vector<double> numbers;
  for (const NammHistoryEntry& entry : history) {
    numbers.insert(numbers.end(),
                   {static_cast<double>(entry.generation), static_cast<double>(entry.stage),
                    entry.sigma, entry.mean_norm, entry.fitness_mean, entry.fitness_best,
                    entry.cache_mean, entry.cache_peak, entry.selection});
  }
  return numbers;
}

std::vector<NammHistoryEntry> history_entries(const std::vector<double>& numbers) {
  std::vector<NammHistoryEntry> history;
  for (std::size_t i = 0; i + kHistoryNumbers <= numbers.size(); i += kHistoryNumbers) {
    const double* n = &numbers[i];
    history.push_back({static_cast<std::int64_t>(n[0]), static_cast<std::int64_t>(n[1]), n[2], n[3],
                       n[4], n[5], n[6], n[7], n[8]});
  }
  return history;
}

std::vector<double> flat(const std::vector<NammEntry>& all) {
  std::vector<double> numbers;
  for (const NammEntry& entry : all) {
    numbers.insert(numbers.end(),
                   {static_cast<double>(entry.generation), static_cast<double>(entry.stage),
                    entry.fitness, entry.cache_mean, entry.cache_peak});
  }
  return numbers;
}

std::vector<NammEntry> stage_entries(const std::vector<double>& numbers) {
  std::vector<NammEntry> all;
  for (std::size_t i = 0; i + 5 <= numbers.size(); i += 5) {
    const double* n = &numbers[i];
    all.push_back(
        {static_cast<std::int64_t>(n[0]), static_cast<std::int64_t>(n[1]), n[2], n[3], n[4]});
  }
  return all;
}

// `count` numbers, or an error: a state whose checksum is right may still be of another build.
template <typename T>
std::vector<T> numbers(const StateReader& state, const char* name, std::size_t count) {
  auto values = state.get<T>(name);
  if (values.size() == count) return values;
  throw Error(ErrorKind::kData, "state: '" + std::string(name) + "' has " +
                                    std::to_string(values.size()) + " numbers, expected " +
                                    std::to_string(count));
}

}  // namespace

void NammProgress::save(StateWriter& state) const {
  state.put("counts", std::vector<std::int64_t>{stage, stage_generation, entered, best_generation});
  state.put("values", std::vector<double>{seconds, best_fitness, selection_base.cache_mean,
                                          selection_base.cache_peak});
  state.put("best_mean", best_mean);
  state.put("feature_means", normalisation.means);
  state.put("feature_deviations", normalisation.deviations);
  state.put("base_scores", selection_base.scores);
  state.put("base_likelihoods", selection_base.likelihoods);
  state.put("history", flat(history));
  state.put("entries", flat(entries));
}

NammProgress NammProgress::load(const StateReader& state) {
  const auto counts = numbers<std::int64_t>(state, "counts", 4);
  const auto values = numbers<double>(state, "values", 4);
  return {.stage = counts[0],
          .stage_generation = counts[1],
          .entered = counts[2] != 0,
          .seconds = values[0],
          .best_fitness = values[1],
          .best_generation = counts[3],
          .best_mean = state.get<double>("best_mean"),
          .normalisation = {state.get<double>("feature_means"),
                            state.get<double>("feature_deviations")},
          .selection_base = {state.get<double>("base_scores"),
                             state.get<double>("base_likelihoods"), values[2], values[3]},
          .history = history_entries(state.get<double>("history")),
          .entries = stage_entries(state.get<double>("entries"))};
}

}  // namespace lethe::training
