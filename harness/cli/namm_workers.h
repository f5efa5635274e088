// SPDX-License-Identifier: Apache-2.0
// Runs the members of a NAMM's population on worker processes: the tasks of a grid under policy
// `namm`, with parameters that a file of the scratch folder holds.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "harness/cli/catalogue.h"
#include "harness/grid/suite.h"
#include "harness/runner/job_pool.h"
#include "policies/namm/parameters.h"
#include "training/population_evaluator.h"

namespace lethe::cli {

struct NammWorkersOptions {
  std::string dtype = "float32";
  std::string device_kind = "cpu";
  std::filesystem::path scratch;  ///< folder for parameters of members; emptied by whoever made it
  runner::PoolOptions pool;
  /// Asked a few times a second; true ends the run.
  std::function<bool()> stop_requested;
  /// Told likewise how many evaluations of those asked for are done.
  std::function<void(std::size_t done, std::size_t of)> progress;
};

/// Parameters of the recipe's shape with these weights and this normalisation.
policies::NammParameters namm_parameters(const training::NammRecipe& recipe,
                                         const std::vector<double>& weights,
                                         const training::NammNormalisation& normalisation);

class NammWorkers final : public training::PopulationEvaluator {
 public:
  /// Throws Error(kModel) for an unknown model. Nothing is loaded yet.
  NammWorkers(const training::NammRecipe& recipe, NammWorkersOptions options);
  ~NammWorkers() override;

  /// What outcomes depend on besides the recipe: hashes of the model and of what tasks say of
  /// themselves, dtype, kind of device, engine version.
  json::object inputs();

  std::vector<std::string> records(const training::NammTask& task) override;
  training::NammNormalisation normalisation(const training::NammRequest& request) override;
  training::NammOutcome full_cache(const training::NammRequest& request) override;
  std::vector<training::NammOutcome> evaluate(
      const training::NammRequest& request, const training::NammNormalisation& normalisation,
      const std::vector<std::vector<double>>& members) override;

 private:
  /// The cells of one task under `policies`, with the prompts asked for.
  std::vector<grid::Cell> cells(const training::NammTask& task,
                                const std::vector<training::NammPrompt>& prompts,
                                const std::vector<std::string>& policies,
                                const std::string& schedule);
  /// One outcome per policy.
  std::vector<training::NammOutcome> run(const training::NammRequest& request,
                                         const std::vector<std::string>& policies,
                                         const std::string& schedule);

  const training::NammRecipe& recipe_;
  NammWorkersOptions options_;
  Catalogue catalogue_;
  runner::JobPool pool_;
};

}  // namespace lethe::cli
