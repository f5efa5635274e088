// SPDX-License-Identifier: Apache-2.0
#include "training/rmt_trainer.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <optional>

#include <ATen/ATen.h>
#include <ATen/ops/_fused_adamw.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include "harness/base/clock.h"
#include "harness/base/error.h"
#include "harness/base/hash.h"
#include "harness/base/json.h"
#include "harness/base/seed.h"
#include "harness/base/state_file.h"
#include "harness/base/text.h"
#include "models/engine/evaluate.h"
#include "training/rmt_batch.h"
#include "training/rmt_checkpoint.h"
#include "training/rmt_source.h"

namespace lethe::training {
namespace {

constexpr double kAverageDecay = 0.98;    // of the moving average of training accuracy
constexpr std::int64_t kPointSteps = 20;  // a point of the learning curves every so many steps
constexpr std::int64_t kValidationSamples = 256;

/// Everything that a run goes on from.
struct Progress {
  std::int64_t step = 0;        ///< done, over all stages
  std::int64_t stage = 0;       ///< in which the next step lies
  std::int64_t stage_step = 0;  ///< done of that stage
  double average = 0;           ///< moving average of the accuracy, of this stage
  double ramp = 0;              ///< reasoning: share of the other variants
  double seconds = 0;
};

class Trainer {
 public:
  Trainer(const RmtRecipe& recipe, const RmtTrainOptions& options, EventSink& events)
      : recipe_(recipe),
        options_(options),
        events_(events),
        start_(rmt_start(recipe, options)),
        source_(rmt_source(recipe, start_)),
        key_(rmt_run_key(recipe, options)),
        arena_(options.threads) {
    models::require_device(options.device);
    flat_ = start_.flat_layout().initial(derive_seed(options.seed, "weights"));
    if (start_.backbone) start_.flat_layout().read(*start_.backbone, flat_, /*backbone=*/true);
    flat_ = flat_.to(at::Device(options.device));
    mean_ = at::zeros_like(flat_);
    square_ = at::zeros_like(flat_);
    ramped_ = std::ranges::any_of(recipe.stages, [](const RmtStage& s) { return s.ramp > 0; });
    progress_.ramp = ramped_ ? 0 : 1;
    // A batch that cannot be made is found before the first step.
    for (const RmtStage& stage : recipe.stages) {
      for (const RmtBatch& batch : stage.batches) source_->check(batch);
    }
  }

  RmtTrainResult run() {
    resume();
    const double began = system_clock().steady_seconds() - progress_.seconds;
    double saved = system_clock().steady_seconds();
    while (progress_.stage < std::ssize(recipe_.stages)) {
      const RmtStage& stage = recipe_.stages[static_cast<std::size_t>(progress_.stage)];
      if (events_.stop_requested()) {
        save_state();
        return {false, progress_.step, progress_.seconds, {}};
      }
      train_step(stage);
      const double now = system_clock().steady_seconds();
      progress_.seconds = now - began;
      events_.progress(progress_.step, progress_.step + steps_left());
      if (stage_ended(stage)) {
        end_stage(stage);
        progress_.seconds = system_clock().steady_seconds() - began;
        save_state();
        saved = system_clock().steady_seconds();
      } else if (now - saved >= options_.state_seconds) {
        save_state();
        saved = now;
      }
    }
    // A run that goes on after its last stage has nothing left but to write.
    if (validation_.empty()) validation_ = validate(recipe_.stages.back().name);
    write(options_.out, validation_);
    std::error_code ec;
    std::filesystem::remove(state_path(), ec);
    return {true, progress_.step, progress_.seconds, validation_};
  }

 private:
  std::int64_t steps_left() const {
    std::int64_t left = -progress_.stage_step;
    for (auto s = static_cast<std::size_t>(progress_.stage); s < recipe_.stages.size(); ++s) {
      left += recipe_.stages[s].steps;
    }
    return left;
  }

  double rate(const RmtStage& stage) const {
    double rate = stage.rate;
    if (stage.rate_end > 0) {
      const double done =
          static_cast<double>(progress_.stage_step) / static_cast<double>(stage.steps);
      rate = stage.rate_end +
             (stage.rate - stage.rate_end) * (1 + std::cos(std::numbers::pi * done)) / 2;
    }
    const double warm = static_cast<double>(progress_.step + 1) /
                        static_cast<double>(std::max<std::int64_t>(recipe_.warmup, 1));
    return rate * std::min(1.0, warm);
  }

  /// Draws of a step depend on the seed, the stage and the step alone, so nothing of them needs to
  /// be saved.
  std::uint64_t step_seed(const RmtStage& stage) const {
    return derive_seed(options_.seed,
                       "train/" + stage.name + "/" + std::to_string(progress_.stage_step));
  }

  static const RmtBatch& choose(const RmtStage& stage, RandomStream& random) {
    double total = 0;
    for (const RmtBatch& batch : stage.batches) total += batch.share;
    double draw = random.uniform() * total;
    for (const RmtBatch& batch : stage.batches) {
      if (draw < batch.share) return batch;
      draw -= batch.share;
    }
    return stage.batches.back();
  }

  /// Runs samples in shards and adds their gradients in order.
  BatchResult run_shards(const RmtSamples& samples, std::size_t size, bool with_gradient) {
    const std::size_t count = std::min(size, static_cast<std::size_t>(recipe_.shards));
    std::vector<BatchResult> results(count);
    arena_.execute([&] {
      tbb::parallel_for(std::size_t{0}, count, [&](std::size_t i) {
        results[i] = samples.run(flat_, size * i / count, size * (i + 1) / count, with_gradient);
      });
    });
    BatchResult sum = results.front();
    for (std::size_t i = 1; i < count; ++i) {
      sum.loss += results[i].loss;
      sum.right += results[i].right;
      if (with_gradient) sum.gradient.add_(results[i].gradient);
    }
    return sum;
  }

  void train_step(const RmtStage& stage) {
    const std::uint64_t seed = step_seed(stage);
    RandomStream random(seed);
    const RmtBatch& kind = choose(stage, random);
    const std::int64_t segments = source_->segments(kind, random);
    std::vector<std::uint64_t> seeds;
    for (std::int64_t i = 0; i < kind.batch; ++i) {
      seeds.push_back(derive_seed(seed, "sample/" + std::to_string(i)));
    }
    const auto samples = source_->draw(kind, segments, seeds, RmtUse::kTraining, progress_.ramp);
    BatchResult result = run_shards(*samples, seeds.size(), true);
    const auto count = static_cast<double>(kind.batch);
    result.gradient.div_(count);
    const double norm = result.gradient.norm().item<double>();
    if (!std::isfinite(norm) || !std::isfinite(result.loss)) {
      throw Error(ErrorKind::kModel, "recipe " + recipe_.name + ", seed " +
                                         std::to_string(options_.seed) + ", stage " + stage.name +
                                         ", step " + std::to_string(progress_.step + 1) +
                                         ": the loss or its gradient is no longer finite; lower "
                                         "the rate of the stage");
    }
    if (norm > recipe_.clip_norm) result.gradient.mul_(recipe_.clip_norm / norm);
    const double step_rate = rate(stage);
    ++progress_.step;
    ++progress_.stage_step;
    optimise(result.gradient, step_rate);
    const double accuracy = result.right / count;
    const double decay = std::min(kAverageDecay, 1 - 1 / static_cast<double>(progress_.stage_step));
    progress_.average = decay * progress_.average + (1 - decay) * accuracy;
    if (stage.ramp > 0 && progress_.average > stage.ramp_above) {
      progress_.ramp = std::min(1.0, progress_.ramp + stage.ramp);
    }
    if (progress_.step % kPointSteps == 0) {
      const auto put = [&](const char* metric, double value) {
        events_.point(progress_.step, stage.name, metric, value);
      };
      put("train_loss", result.loss / count);
      put("train_accuracy", progress_.average);
      put("learning_rate", step_rate);
      put("gradient_norm", norm);
      if (ramped_) put("variants", progress_.ramp);
    }
  }

  // AdamW, arXiv 1711.05101, as LibTorch computes it.
  void optimise(const at::Tensor& gradient, double rate) {
    const at::Tensor step = at::full({}, static_cast<double>(progress_.step),
                                     at::TensorOptions(at::kFloat).device(flat_.device()));
    std::vector<at::Tensor> self{flat_}, means{mean_}, squares{square_}, steps{step};
    at::_fused_adamw_(self, {gradient}, means, squares, {}, steps, rate, 0.9, 0.999,
                      recipe_.weight_decay, 1e-8, /*amsgrad=*/false, /*maximize=*/false);
  }

  bool stage_ended(const RmtStage& stage) const {
    if (progress_.stage_step >= stage.steps) return true;
    const bool ramped = stage.ramp == 0 || progress_.ramp >= 1;
    return progress_.stage_step >= stage.least_steps && ramped && progress_.average >= stage.until;
  }

  void end_stage(const RmtStage& stage) {
    validation_ = validate(stage.name);
    std::string text = "stage " + stage.name + ": " + std::to_string(progress_.stage_step) +
                       " steps, " + human_duration(progress_.seconds) + " in all, accuracy " +
                       fixed(100 * progress_.average, 1) + " %, validation";
    for (const double accuracy : validation_) text += " " + fixed(100 * accuracy, 1);
    events_.message(text);
    if (options_.keep_stages) write(options_.out / "stages" / stage.name, validation_);
    if (stage.ramp > 0 && progress_.ramp < 1) {
      // What follows is trained, and tested, on every variant.
      events_.message("stage " + stage.name + " ended at " + fixed(100 * progress_.ramp, 0) +
                      " % of the variants; from here on all of them come");
      progress_.ramp = 1;
    }
    ++progress_.stage;
    progress_.stage_step = 0;
    progress_.average = 0;
  }

  // Accuracy at the segments that the stages so far train for, at the shape of their last batch.
  // Seeds of their own: neither trained on nor tested on later.
  std::vector<double> validate(const std::string& stage_name) {
    const auto last =
        std::min<std::size_t>(static_cast<std::size_t>(progress_.stage), recipe_.stages.size() - 1);
    const RmtBatch& kind = recipe_.stages[last].batches.front();
    std::vector<double> accuracies;
    for (const std::int64_t segments : source_->validated(kind)) {
      double right = 0;
      for (std::int64_t done = 0; done < kValidationSamples;) {
        const std::int64_t count = std::min(kind.batch, kValidationSamples - done);
        std::vector<std::uint64_t> seeds;
        for (std::int64_t i = 0; i < count; ++i) {
          seeds.push_back(derive_seed(options_.seed, "validation/" + std::to_string(segments) +
                                                         "/" + std::to_string(done + i)));
        }
        const auto samples = source_->draw(kind, segments, seeds, RmtUse::kValidation, 1);
        right += run_shards(*samples, seeds.size(), false).right;
        done += count;
      }
      accuracies.push_back(right / kValidationSamples);
      events_.point(progress_.step, stage_name, "validation_accuracy:" + std::to_string(segments),
                    accuracies.back());
    }
    return accuracies;
  }

  void write(const std::filesystem::path& folder, const std::vector<double>& validation) {
    write_rmt_checkpoint(folder, recipe_, options_, start_, flat_,
                         {progress_.step, progress_.stage, progress_.seconds, key_, validation});
  }

  std::filesystem::path state_path() const { return options_.out / "train.state"; }

  void save_state() {
    events_.saving(progress_.step);
    StateWriter state;
    const auto put = [&](const char* name, const at::Tensor& tensor) {
      const at::Tensor host = tensor.to(at::kCPU).contiguous();
      state.put(name, std::span<const float>(host.const_data_ptr<float>(),
                                             static_cast<std::size_t>(host.numel())));
    };
    put("weights", flat_);
    put("mean", mean_);
    put("square", square_);
    state.put("counts",
              std::vector<std::int64_t>{progress_.step, progress_.stage, progress_.stage_step});
    state.put("values", std::vector<double>{progress_.average, progress_.ramp, progress_.seconds});
    std::error_code ec;
    std::filesystem::create_directories(options_.out, ec);
    write_file_atomically(state_path(), state.finish(key_));
  }

  void resume() {
    if (!std::filesystem::exists(state_path())) {
      events_.resumed(0);
      save_state();  // a folder that cannot be written is found now, not after hours
      return;
    }
    std::optional<StateReader> state;
    try {
      state.emplace(read_file(state_path(), ErrorKind::kData), key_);
    } catch (const Error& error) {
      throw Error(ErrorKind::kData, state_path().string() + ": " + error.what() +
                                        "; it is the state of an unfinished run: go on with its "
                                        "recipe and seed, give another --out, or delete it");
    }
    const auto get = [&](const char* name, at::Tensor& tensor) {
      const auto values = state->get<float>(name);
      if (static_cast<std::int64_t>(values.size()) != tensor.numel()) {
        throw Error(ErrorKind::kData, state_path().string() + ": '" + name + "' has " +
                                          std::to_string(values.size()) + " numbers, expected " +
                                          std::to_string(tensor.numel()));
      }
      tensor.copy_(at::tensor(at::ArrayRef<float>(values)));
    };
    get("weights", flat_);
    get("mean", mean_);
    get("square", square_);
    const auto counts = state->get<std::int64_t>("counts");
    const auto values = state->get<double>("values");
    progress_ = {counts.at(0), counts.at(1), counts.at(2),
                 values.at(0), values.at(1), values.at(2)};
    events_.resumed(progress_.step);
    events_.message("goes on after step " + std::to_string(progress_.step));
  }

  const RmtRecipe& recipe_;
  const RmtTrainOptions& options_;
  EventSink& events_;
  RmtStart start_;
  std::unique_ptr<RmtSource> source_;
  std::string key_;
  tbb::task_arena arena_;
  bool ramped_ = false;
  at::Tensor flat_, mean_, square_;
  Progress progress_;
  std::vector<double> validation_;  ///< after the last stage that this process ended
};

}  // namespace

RmtTrainResult train_rmt(const RmtRecipe& recipe, const RmtTrainOptions& options,
                         EventSink& events) {
  return Trainer(recipe, options, events).run();
}

}  // namespace lethe::training
