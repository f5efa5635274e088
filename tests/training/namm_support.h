// SPDX-License-Identifier: Apache-2.0
// A recipe of evolution without a model, an evaluator that knows the best parameters, and a sink.
#pragma once

#include <functional>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "harness/base/json.h"
#include "tests/training/training_support.h"
#include "training/namm_trainer.h"

namespace lethe::test {

/// Two stages, of 8 and 6 generations: task "recall" from seeds, then also "qa" with records.
json::object namm_recipe_json();
training::NammRecipe namm_recipe(const json::object& text);

/// Six parameters that begin at 0.
training::NammTrainOptions namm_options_for(const std::filesystem::path& out);

/// The full cache scores about one half of every task, a member the more of that the nearer its
/// parameters are to 0.5 each. Remembers what it was asked.
class FakeEvaluator final : public training::PopulationEvaluator {
 public:
  struct Call {
    std::string what;  ///< "normalisation", "full_cache" or "evaluate"
    std::int64_t generation;
    std::string stage;
    training::NammPrompts prompts;
    std::size_t members;
  };

  std::vector<std::string> records(const training::NammTask& task) override;
  training::NammNormalisation normalisation(const training::NammRequest& request) override;
  training::NammOutcome full_cache(const training::NammRequest& request) override;
  std::vector<training::NammOutcome> evaluate(
      const training::NammRequest& request, const training::NammNormalisation& normalisation,
      const std::vector<std::vector<double>>& members) override;

  std::vector<Call> calls;
  std::map<std::string, double> base_scores;  ///< of tasks that have another than about 0.5
  /// Called with each evaluation of a population before it is given back.
  std::function<void(const training::NammRequest&, std::vector<training::NammOutcome>&)> spoil;
};

/// Remembers points, messages and generations, and stops.
class NammMemory final : public training::NammSink {
 public:
  explicit NammMemory(std::int64_t stop_after = std::numeric_limits<std::int64_t>::max())
      : stop_after_(stop_after) {}
  void resumed(std::int64_t step) override { resumed_after = step; }
  void saving(std::int64_t step) override { saved = step; }
  void point(std::int64_t step, const std::string& stage, const std::string& metric,
             double value) override {
    points.push_back({step, stage, metric, value});
  }
  bool stop_requested() override { return done_ >= stop_after_; }
  void message(const std::string& text) override { messages.push_back(text); }
  void progress(std::int64_t done, std::int64_t still) override {
    done_ = done;
    most = still;
  }
  void generation(const training::NammGeneration& record,
                  const training::NammStage& stage) override {
    records.push_back(record);
    texts.push_back(json::serialize(to_json(record, stage)));
  }

  std::vector<Sink::Point> points;
  std::vector<std::string> messages, texts;
  std::vector<training::NammGeneration> records;
  std::int64_t resumed_after = -1, saved = -1, most = 0;

 private:
  std::int64_t stop_after_, done_ = 0;
};

}  // namespace lethe::test
