// SPDX-License-Identifier: Apache-2.0
#include "training/rmt_source.h"

#include <map>
#include <numeric>
#include <utility>

#include "harness/base/error.h"
#include "harness/base/seed.h"
#include "models/tokenizer/tokenizer.h"
#include "tasks/memory/fact_task.h"
#include "tasks/memory/sequence_tasks.h"

namespace lethe::training {
namespace {

using tasks::FactGenerator;

// The memory tasks, on an encoder.
class FactSource final : public RmtSource {
 public:
  FactSource(const RmtRecipe& recipe, const RmtStart& start)
      : recipe_(recipe),
        layout_(*start.layout),
        tokenizer_(models::open_tokenizer(start.tokenizer)),
        noise_factory_(recipe.noise, *tokenizer_,
                       FactGenerator::confuser_ids(recipe.task, *tokenizer_)) {}

  void check(const RmtBatch& batch) override {
    const std::int64_t most = layout_.config().trained_length - recipe_.model.memory - 3;
    if (batch.segment > most) {
      throw Error(ErrorKind::kConfig, "recipe " + recipe_.name +
                                          ": batches: segment: expected at most " +
                                          std::to_string(most) +
                                          " text tokens (the positions of "
                                          "the encoder less memory and special tokens), found " +
                                          std::to_string(batch.segment));
    }
    generator(batch, 1);
  }

  std::int64_t segments(const RmtBatch& batch, RandomStream& random) const override {
    const auto most = static_cast<std::uint64_t>(batch.segments);
    const bool full = random.uniform() < 0.5;
    return static_cast<std::int64_t>(full ? most : 1 + random.below(most));
  }

  std::vector<std::int64_t> validated(const RmtBatch& batch) const override {
    std::vector<std::int64_t> all(static_cast<std::size_t>(batch.segments));
    std::iota(all.begin(), all.end(), std::int64_t{1});
    return all;
  }

  std::unique_ptr<RmtSamples> draw(const RmtBatch& batch, std::int64_t segments,
                                   std::span<const std::uint64_t> seeds, RmtUse use,
                                   double ramp) override {
    const FactGenerator generate = generator(batch, ramp);
    std::vector<tasks::FactSample> samples;
    for (const std::uint64_t seed : seeds) samples.push_back(generate.sample(seed, segments));
    const double noise = use == RmtUse::kTraining ? recipe_.memory_noise : 0;
    return std::make_unique<Samples>(layout_, recipe_.bptt,
                                     MemoryNoise{noise, derive_seed(seeds.front(), "memory")},
                                     std::move(samples));
  }

 private:
  class Samples final : public RmtSamples {
   public:
    Samples(const models::RecurrentLayout& layout, std::int64_t bptt, MemoryNoise noise,
            std::vector<tasks::FactSample> samples)
        : layout_(layout), bptt_(bptt), noise_(noise), samples_(std::move(samples)) {}
    BatchResult run(const at::Tensor& flat, std::size_t begin, std::size_t end,
                    bool with_gradient) const override {
      const std::uint64_t seed = derive_seed(noise_.seed, std::to_string(begin));
      return run_batch(layout_, flat, std::span(samples_).subspan(begin, end - begin), bptt_,
                       with_gradient, {noise_.share, seed});
    }

   private:
    const models::RecurrentLayout& layout_;
    std::int64_t bptt_;
    MemoryNoise noise_;
    std::vector<tasks::FactSample> samples_;
  };

  FactGenerator generator(const RmtBatch& batch, double ramp) {
    auto& noise = noises_[batch.confusers];
    if (!noise) noise = noise_factory_.make(batch.confusers);
    return FactGenerator({recipe_.task, recipe_.place, batch.segment, {ramp, ramp, ramp}},
                         *tokenizer_, noise);
  }

  const RmtRecipe& recipe_;
  const models::RecurrentLayout& layout_;
  std::unique_ptr<models::Tokenizer> tokenizer_;
  tasks::NoiseFactory noise_factory_;
  std::map<double, std::shared_ptr<const tasks::Noise>> noises_;
};

// The first paper's tasks, on a decoder. A sequence has as many segments as it is cut into.
class SequenceSource final : public RmtSource {
 public:
  SequenceSource(const RmtRecipe& recipe, const RmtStart& start)
      : options_(*recipe.sequence), bptt_(recipe.bptt), layout_(*start.decoder) {}

  void check(const RmtBatch& batch) override {
    const auto& vocabulary = generator(batch).vocabulary();
    if (std::ssize(vocabulary) != layout_.config().vocab_size) {
      throw Error(ErrorKind::kInternal, "the vocabulary of a task depends on its size");
    }
    generator(batch).segment_tokens(batch.segments);
  }

  std::int64_t segments(const RmtBatch& batch, RandomStream& /*random*/) const override {
    return batch.segments;
  }

  std::vector<std::int64_t> validated(const RmtBatch& batch) const override {
    return {batch.segments};
  }

  std::unique_ptr<RmtSamples> draw(const RmtBatch& batch, std::int64_t segments,
                                   std::span<const std::uint64_t> seeds, RmtUse use,
                                   double /*ramp*/) override {
    const tasks::SequenceGenerator& generate = generator(batch);
    const auto split =
        use == RmtUse::kTraining ? tasks::SequenceSplit::kTrain : tasks::SequenceSplit::kTest;
    std::vector<tasks::SequenceSample> samples;
    for (const std::uint64_t seed : seeds) samples.push_back(generate.sample(seed, split));
    return std::make_unique<Samples>(*this, generate, segments, std::move(samples));
  }

 private:
  class Samples final : public RmtSamples {
   public:
    Samples(const SequenceSource& source, const tasks::SequenceGenerator& generator,
            std::int64_t segments, std::vector<tasks::SequenceSample> samples)
        : source_(source),
          generator_(generator),
          segments_(segments),
          samples_(std::move(samples)) {}
    BatchResult run(const at::Tensor& flat, std::size_t begin, std::size_t end,
                    bool with_gradient) const override {
      return run_batch(source_.layout_, flat, generator_,
                       std::span(samples_).subspan(begin, end - begin), segments_, source_.bptt_,
                       with_gradient);
    }

   private:
    const SequenceSource& source_;
    const tasks::SequenceGenerator& generator_;
    std::int64_t segments_;
    std::vector<tasks::SequenceSample> samples_;
  };

  const tasks::SequenceGenerator& generator(const RmtBatch& batch) {
    auto& generator = generators_[batch.size];
    if (!generator) {
      tasks::SequenceOptions options = options_;
      if (batch.size > 0) options.size = batch.size;
      generator = std::make_unique<tasks::SequenceGenerator>(options);
    }
    return *generator;
  }

  tasks::SequenceOptions options_;
  std::int64_t bptt_;
  const models::RecurrentDecoderLayout& layout_;
  std::map<std::int64_t, std::unique_ptr<tasks::SequenceGenerator>> generators_;  ///< by size
};

}  // namespace

std::unique_ptr<RmtSource> rmt_source(const RmtRecipe& recipe, const RmtStart& start) {
  if (recipe.sequence) return std::make_unique<SequenceSource>(recipe, start);
  return std::make_unique<FactSource>(recipe, start);
}

}  // namespace lethe::training
