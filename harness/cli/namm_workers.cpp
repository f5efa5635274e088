// SPDX-License-Identifier: Apache-2.0
#include "harness/cli/namm_workers.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "harness/base/error.h"
#include "harness/base/spec.h"
#include "harness/base/version.h"
#include "harness/cli/root.h"
#include "harness/runner/planner.h"
#include "harness/store/cache_size.h"
#include "models/checkpoint/checkpoint.h"
#include "models/engine/evaluate.h"
#include "models/tokenizer/tokenizer.h"
#include "policies/namm/namm.h"
#include "tasks/registry.h"

namespace lethe::cli {

namespace {

namespace fs = std::filesystem;
using training::NammOutcome;
using training::NammPrompt;
using training::NammRequest;
using training::NammTask;

// A worker stays with a group of prompts for all members, so that their beginnings are computed
// once; a few groups a worker even out their lengths.
constexpr std::size_t kGroupsPerWorker = 2;

/// Whether a task makes a sample from any seed (its option "seeds").
bool takes_seeds(const NammTask& task) {
  return task.task == "recall";
}

grid::Suite suite_of(const NammTask& task, const json::object& options, const std::string& model,
                     const std::vector<std::string>& policies, std::int64_t cap,
                     const std::string& schedule, const std::string& dtype) {
  grid::Suite suite;
  suite.name = "namm";
  suite.models = {model};
  suite.tasks = {{task.task, options}};
  suite.lengths = {task.length};
  suite.policies = policies;
  if (cap > 0) suite.budgets = {cap};
  suite.schedules = {schedule};
  suite.positions = {"original"};
  suite.dtypes = {dtype};
  suite.kv_dtypes = {"same"};
  suite.seeds = {0};
  return suite;
}

/// Adds up the features that a NAMM is standardised by.
class Moments final : public policies::NammObserver {
 public:
  void updated(const policies::LayerContext&, std::int64_t,
               std::span<const policies::NammHeadUpdate> heads) override {
    const std::scoped_lock lock(mutex_);
    for (const auto& head : heads) {
      const std::size_t tokens = head.positions.size();
      for (std::size_t bin = 0; bin < policies::kNammBins; ++bin) {
        const auto& column = (*head.spectrum)[bin];
        for (std::size_t i = 0; i < tokens; ++i) {
          const double value = column[i];
          sum_[bin] += value;
          square_[bin] += value * value;
        }
      }
      count_ += static_cast<double>(tokens);
    }
  }

  training::NammNormalisation result() const {
    if (count_ == 0) {
      throw Error(ErrorKind::kConfig,
                  "no update happened on the prompts that features are standardised on: expected "
                  "prompts of at least as many tokens as the policy's interval");
    }
    training::NammNormalisation found;
    for (std::size_t bin = 0; bin < policies::kNammBins; ++bin) {
      const double mean = sum_[bin] / count_;
      const double variance = std::max(0.0, square_[bin] / count_ - mean * mean);
      found.means.push_back(mean);
      found.deviations.push_back(
          std::max<double>(std::sqrt(variance), policies::kNammLeastDeviation));
    }
    return found;
  }

 private:
  std::mutex mutex_;
  std::array<double, policies::kNammBins> sum_{}, square_{};
  double count_ = 0;
};

}  // namespace

policies::NammParameters namm_parameters(const training::NammRecipe& recipe,
                                         const std::vector<double>& weights,
                                         const training::NammNormalisation& normalisation) {
  const auto variant =
      recipe.policy.scorer == "mlp" ? policies::NammVariant::kMlp : policies::NammVariant::kBam;
  policies::NammParameters parameters =
      policies::zero_namm_parameters(variant, recipe.policy.hidden, recipe.policy.update);
  parameters.weights.assign(weights.begin(), weights.end());
  for (std::size_t bin = 0; bin < policies::kNammBins; ++bin) {
    parameters.mean[bin] = static_cast<float>(normalisation.means.at(bin));
    parameters.deviation[bin] = std::max(static_cast<float>(normalisation.deviations.at(bin)),
                                         policies::kNammLeastDeviation);
  }
  return parameters;
}

NammWorkers::NammWorkers(const training::NammRecipe& recipe, NammWorkersOptions options)
    : recipe_(recipe), options_(std::move(options)), pool_(options_.pool) {
  catalogue_.model(recipe.model);
}

NammWorkers::~NammWorkers() = default;

json::object NammWorkers::inputs() {
  json::array tasks;
  std::set<std::string> seen;
  for (const training::NammStage& stage : recipe_.stages) {
    for (const NammTask& task : stage.tasks) {
      const auto made = tasks::make_task(task.task, task.options, task.length, root_folder());
      json::object one{
          {"task", task.task}, {"length", task.length}, {"identity", made->identity()}};
      if (seen.insert(canonical_json(one)).second) tasks.push_back(std::move(one));
    }
  }
  return {{"model", catalogue_.model(recipe_.model).identity},
          {"tasks", std::move(tasks)},
          {"dtype", options_.dtype},
          {"device_kind", options_.device_kind},
          {"engine_version", kEngineVersion}};
}

std::vector<std::string> NammWorkers::records(const NammTask& task) {
  if (takes_seeds(task)) return {};
  std::vector<std::string> hashes;
  const auto entry =
      catalogue_.task(task.task, task.options, catalogue_.model(recipe_.model), task.length);
  for (const auto& sample : entry.samples) hashes.push_back(sample.hash);
  return hashes;
}

std::vector<grid::Cell> NammWorkers::cells(const NammTask& task,
                                           const std::vector<NammPrompt>& prompts,
                                           const std::vector<std::string>& policies,
                                           const std::string& schedule) {
  json::object options = task.options;
  if (takes_seeds(task)) {
    json::array seeds;
    for (const NammPrompt& prompt : prompts) seeds.emplace_back(prompt.seed);
    options["seeds"] = std::move(seeds);
  }
  return grid::expand(suite_of(task, options, recipe_.model, policies, recipe_.policy.cap, schedule,
                               options_.dtype),
                      catalogue_, options_.device_kind);
}

std::vector<NammOutcome> NammWorkers::run(const NammRequest& request,
                                          const std::vector<std::string>& policies,
                                          const std::string& schedule) {
  struct Place {
    std::size_t policy, task;
  };
  std::vector<runner::PoolJob> jobs;
  std::vector<Place> places;
  const std::size_t groups = kGroupsPerWorker *
                             static_cast<std::size_t>(std::max(1, options_.pool.workers)) *
                             std::max<std::size_t>(1, options_.pool.devices.size());
  for (std::size_t t = 0; t < request.stage.tasks.size(); ++t) {
    const NammTask& task = request.stage.tasks[t];
    const std::vector<NammPrompt>& prompts = request.prompts[t];
    std::set<std::string> wanted;
    for (const NammPrompt& prompt : prompts) wanted.insert(prompt.record);
    const auto planned = runner::plan_jobs(cells(task, prompts, policies, schedule), nullptr);
    LETHE_ASSERT(planned.jobs.size() == policies.size(), "one cell for each member");
    std::vector<runner::PoolJob> of_task;
    for (std::size_t p = 0; p < policies.size(); ++p) {
      runner::Job whole = planned.jobs[p].job;
      std::vector<runner::JobSample> samples;
      for (runner::JobSample& sample : whole.samples) {
        if (takes_seeds(task) || wanted.contains(sample.hash)) samples.push_back(std::move(sample));
      }
      for (std::size_t g = 0; g < groups; ++g) {
        const std::size_t begin = samples.size() * g / groups,
                          end = samples.size() * (g + 1) / groups;
        if (begin == end) continue;
        runner::PoolJob job{whole, static_cast<std::int64_t>(t * groups + g)};
        job.job.samples.assign(samples.begin() + static_cast<std::ptrdiff_t>(begin),
                               samples.begin() + static_cast<std::ptrdiff_t>(end));
        jobs.push_back(std::move(job));
        places.push_back({p, t});
      }
    }
  }
  const auto records = pool_.run(jobs, [&](std::size_t done) {
    if (options_.progress) options_.progress(done, jobs.size());
    return !options_.stop_requested();
  });
  std::vector<NammOutcome> outcomes(policies.size());
  std::vector<double> samples(policies.size());
  std::map<std::pair<std::size_t, std::size_t>, double> counts;
  const std::size_t tasks = request.stage.tasks.size();
  for (NammOutcome& outcome : outcomes) {
    outcome.scores.resize(tasks);
    if (request.likelihoods) outcome.likelihoods.resize(tasks);
  }
  for (std::size_t j = 0; j < jobs.size(); ++j) {
    const auto [p, t] = places[j];
    for (const store::SampleRecord& record : records[j]) {
      if (request.likelihoods && record.tokens_scored == 0) {
        throw Error(ErrorKind::kConfig, "task " + request.stage.tasks[t].task +
                                            ": expected one that scores tokens for likelihood "
                                            "fitness, found one that does not; take fitness ratio");
      }
      // A text has no score of its own: the chance of its tokens, as a geometric mean.
      const double nll = record.tokens_scored > 0 ? record.nll_sum.value_or(0) /
                                                        static_cast<double>(record.tokens_scored)
                                                  : 0;
      outcomes[p].scores[t] += record.score.value_or(std::exp(-nll));
      if (request.likelihoods) outcomes[p].likelihoods[t] -= nll;
      ++counts[{p, t}];
      const auto size = store::cache_size(record.layers, "sample " + record.sample_id)
                            .value_or(store::CacheSize{});
      outcomes[p].cache_mean += size.mean;
      outcomes[p].cache_peak += size.peak;
      ++samples[p];
    }
  }
  for (std::size_t p = 0; p < outcomes.size(); ++p) {
    for (std::size_t t = 0; t < tasks; ++t) {
      const double count = counts[{p, t}];
      outcomes[p].scores[t] /= count;
      if (request.likelihoods) outcomes[p].likelihoods[t] /= count;
    }
    outcomes[p].cache_mean /= samples[p];
    outcomes[p].cache_peak /= samples[p];
  }
  return outcomes;
}

training::NammNormalisation NammWorkers::normalisation(const NammRequest& request) {
  const auto entry = catalogue_.model(recipe_.model);
  models::LoadOptions where;
  if (!options_.pool.devices.empty()) where.device = options_.pool.devices.front();
  const auto model = models::load_model(*models::open_checkpoint(entry.path),
                                        models::parse_dtype(options_.dtype), {}, where);
  const auto tokenizer = models::open_tokenizer(entry.path);
  Moments moments;
  const auto keep_all =
      std::make_shared<const policies::NammParameters>(policies::zero_namm_parameters(
          policies::NammVariant::kBam, recipe_.policy.hidden, recipe_.policy.update));
  for (std::size_t t = 0; t < request.stage.tasks.size(); ++t) {
    const NammTask& task = request.stage.tasks[t];
    const std::string schedule = "block:" + std::to_string(recipe_.policy.update);
    std::set<std::string> wanted;
    for (const NammPrompt& prompt : request.prompts[t]) wanted.insert(prompt.record);
    const auto found = cells(task, request.prompts[t], {"full"}, "exact");
    const auto made =
        tasks::make_task(task.task, found.front().task_options.get(), task.length, root_folder());
    tasks::RunSettings settings;
    settings.policy = policies::make_namm_plan(keep_all, {}, &moments);
    settings.evaluate.schedule = policies::Schedule::parse(schedule);
    settings.evaluate.should_stop = [&] { return options_.stop_requested(); };
    for (const auto& sample : found.front().samples) {
      if (!takes_seeds(task) && !wanted.contains(sample.hash)) continue;
      if (options_.stop_requested()) {
        throw Error(ErrorKind::kInterrupted, "stopped while features were gathered");
      }
      const std::string id = sample.id;
      made->run_all(
          std::span(&id, 1), *tokenizer, *model, settings,
          {[] { return false; }, [](const std::string&) -> models::StateKeeper* { return nullptr; },
           [](const std::string&, tasks::SampleOutcome) {}});
    }
  }
  return moments.result();
}

NammOutcome NammWorkers::full_cache(const NammRequest& request) {
  return run(request, {"full"}, "exact").front();
}

std::vector<NammOutcome> NammWorkers::evaluate(const NammRequest& request,
                                               const training::NammNormalisation& normalisation,
                                               const std::vector<std::vector<double>>& members) {
  std::vector<std::string> policies;
  for (std::size_t m = 0; m < members.size(); ++m) {
    const fs::path file = options_.scratch / ("member-" + std::to_string(m) + ".json");
    policies::write_namm_file(file, namm_parameters(recipe_, members[m], normalisation));
    policies.push_back("namm:weights=" + file.string() +
                       (recipe_.policy.cap > 0 ? ",cap=true" : ""));
  }
  return run(request, policies, "block:" + std::to_string(recipe_.policy.update));
}

}  // namespace lethe::cli
