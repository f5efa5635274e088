// SPDX-License-Identifier: Apache-2.0
// Loss and gradients of a batch: through three segments they are slopes of the loss, and where
// memory is detached they stop.
#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "harness/base/seed.h"
#include "models/rmt/recurrent_encoder.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"
#include "tests/training/training_support.h"
#include "training/rmt_batch.h"
#include "training/rmt_checkpoint.h"
#include "training/rmt_source.h"

namespace lethe::training {
namespace {

using tasks::FactSample;

constexpr double kStep = 1e-5;  // of central differences

// A small model in float64 whose every weight matters.
struct Fixture {
  explicit Fixture(std::int64_t clip = 3, bool norm_before = false) {
    recipe.model.layers = 2;
    recipe.model.relative_clip = clip;
    recipe.model.norm_before = norm_before;
    start = rmt_start(recipe, test::options_for(""));
    flat = start.layout->initial(5).to(at::kDouble);
    RandomStream random(6);
    double* values = flat.mutable_data_ptr<double>();
    for (std::int64_t i = 0; i < flat.numel(); ++i) values[i] += 0.2 * random.uniform() - 0.1;
    const auto tokenizer = models::open_tokenizer(start.tokenizer);
    const auto noise = tasks::word_noise(
        *tokenizer, tasks::FactGenerator::confuser_ids(recipe.task, *tokenizer), 0.05);
    const tasks::FactGenerator generate({recipe.task, recipe.place, 12, {}}, *tokenizer, noise);
    for (std::uint64_t seed = 0; seed < 3; ++seed) samples.push_back(generate.sample(seed, 3));
  }
  double loss(const at::Tensor& weights) const {
    return run_batch(*start.layout, weights, samples, 0, false).loss;
  }

  RmtRecipe recipe = test::small_recipe();
  RmtStart start;
  at::Tensor flat;
  std::vector<FactSample> samples;
};

using Named = std::vector<std::pair<std::string, at::Tensor>>;

// Every weight of a flat vector, as views of it.
Named named_weights(const models::RecurrentLayout& layout, const at::Tensor& flat) {
  const auto w = layout.bind(flat);
  Named all{{"memory", w.memory},
            {"pooler", w.pooler},
            {"pooler bias", w.pooler_bias},
            {"head", w.head},
            {"head bias", w.head_bias},
            {"words", w.encoder.embedding},
            {"positions", w.encoder.positions},
            {"token types", w.encoder.token_types},
            {"embedding norm", w.encoder.embedding_norm.weight},
            {"embedding norm bias", w.encoder.embedding_norm.bias}};
  for (std::size_t i = 0; i < w.encoder.layers.size(); ++i) {
    const auto& layer = w.encoder.layers[i];
    const std::string name = "layer " + std::to_string(i) + " ";
    all.insert(all.end(), {{name + "qkv", layer.qkv},
                           {name + "qkv bias", layer.qkv_bias},
                           {name + "out", layer.out},
                           {name + "out bias", layer.out_bias},
                           {name + "norm", layer.attention_norm.weight},
                           {name + "norm bias", layer.attention_norm.bias},
                           {name + "up", layer.up},
                           {name + "up bias", layer.up_bias},
                           {name + "down", layer.down},
                           {name + "down bias", layer.down_bias},
                           {name + "mlp norm", layer.mlp_norm.weight},
                           {name + "mlp norm bias", layer.mlp_norm.bias}});
    if (layer.relative_bias.defined())
      all.emplace_back(name + "relative bias", layer.relative_bias);
  }
  if (w.encoder.final_norm.weight.defined()) {
    all.emplace_back("final norm", w.encoder.final_norm.weight);
    all.emplace_back("final norm bias", w.encoder.final_norm.bias);
  }
  return all;
}

struct Kind {
  std::int64_t clip;
  bool norm_before;
};

TEST_CASE("gradients through three segments are slopes of the loss", "[rmt]") {
  const Kind kind = GENERATE(Kind{3, false}, Kind{3, true}, Kind{0, false});
  CAPTURE(kind.clip, kind.norm_before);
  const Fixture fixture(kind.clip, kind.norm_before);
  const auto result = run_batch(*fixture.start.layout, fixture.flat, fixture.samples, 0, true);
  REQUIRE(result.gradient.numel() == fixture.start.layout->size());
  CHECK(result.loss == fixture.loss(fixture.flat));
  const at::Tensor moved = fixture.flat.clone();
  const Named gradients = named_weights(*fixture.start.layout, result.gradient),
              weights = named_weights(*fixture.start.layout, moved);
  std::int64_t covered = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    CAPTURE(weights[i].first);
    const at::Tensor values = weights[i].second.flatten(), slopes = gradients[i].second.flatten();
    covered += values.numel();
    // The steepest, and some others.
    const auto steepest = slopes.abs().argsort(-1, /*descending=*/true).slice(0, 0, 4);
    std::vector<std::int64_t> chosen;
    for (std::int64_t e = 0; e < steepest.numel(); ++e) {
      chosen.push_back(steepest[e].item<std::int64_t>());
    }
    RandomStream random(i);
    for (int e = 0; e < 3; ++e) {
      chosen.push_back(
          static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(values.numel()))));
    }
    for (const std::int64_t e : chosen) {
      double& value = values.mutable_data_ptr<double>()[e];
      const double here = value;
      value = here + kStep;
      const double above = fixture.loss(moved);
      value = here - kStep;
      const double below = fixture.loss(moved);
      value = here;
      const double slope = slopes[e].item<double>();
      CAPTURE(e, slope);
      CHECK(std::abs((above - below) / (2 * kStep) - slope) <
            1e-7 * std::max(1.0, std::abs(slope)));
    }
  }
  CHECK(covered == fixture.start.layout->size());
  CHECK(at::equal(moved, fixture.flat));
}

TEST_CASE("a batch is the sum of its samples", "[rmt]") {
  const Fixture fixture;
  const auto whole = run_batch(*fixture.start.layout, fixture.flat, fixture.samples, 0, true);
  double loss = 0;
  std::int64_t right = 0;
  at::Tensor gradient = at::zeros_like(fixture.flat);
  for (const FactSample& sample : fixture.samples) {
    const auto one = run_batch(*fixture.start.layout, fixture.flat, {&sample, 1}, 0, true);
    loss += one.loss;
    right += one.right;
    gradient += one.gradient;
  }
  CHECK(whole.loss == Approx(loss).epsilon(1e-12));
  CHECK(whole.right == right);
  CHECK((whole.gradient - gradient).abs().max().item<double>() < 1e-11);
  CHECK_FALSE(
      run_batch(*fixture.start.layout, fixture.flat, fixture.samples, 0, false).gradient.defined());
}

// Gradient of the loss where the memory before segment `first` is a constant.
at::Tensor detached_gradient(const Fixture& fixture, std::int64_t first) {
  const c10::AutoGradMode gradients(true);
  at::Tensor leaf = fixture.flat.detach().clone().set_requires_grad(true);
  const models::RecurrentEncoder encoder(*fixture.start.layout, fixture.start.layout->bind(leaf),
                                         {at::kDouble, at::kDouble});
  at::Tensor loss = at::zeros({}, at::kDouble);
  for (const FactSample& sample : fixture.samples) {
    at::Tensor memory = encoder.initial(1), cls;
    for (std::int64_t s = 0; s < sample.segments(); ++s) {
      std::vector<std::int64_t> ids(static_cast<std::size_t>(sample.segment_tokens()));
      sample.fill(s, ids);
      if (s == first) memory = memory.detach().clone();
      const auto segment = encoder.segment(at::tensor(ids, at::kLong).unsqueeze(0), memory);
      memory = segment.memory;
      cls = segment.cls;
    }
    loss = loss - at::log_softmax(encoder.logits(cls), 1)[0][sample.answer()];
  }
  loss.backward();
  return leaf.grad();
}

TEST_CASE("a short gradient is that of a memory which is detached", "[rmt]") {
  const Fixture fixture;
  const auto gradient = [&](std::int64_t bptt) {
    const auto result = run_batch(*fixture.start.layout, fixture.flat, fixture.samples, bptt, true);
    CHECK(result.loss == Approx(fixture.loss(fixture.flat)).epsilon(1e-12));
    return result.gradient;
  };
  const auto difference = [](const at::Tensor& a, const at::Tensor& b) {
    return (a - b).abs().max().item<double>();
  };
  const auto memory_of = [&](const at::Tensor& flat) {
    return fixture.start.layout->bind(flat).memory.abs().max().item<double>();
  };
  const at::Tensor one = gradient(1), all = gradient(0);
  // Of three segments, the last and the one before.
  CHECK(difference(one, detached_gradient(fixture, 1)) < 1e-11);
  CHECK(memory_of(one) == 0);
  CHECK(difference(all, detached_gradient(fixture, -1)) < 1e-11);
  CHECK(difference(one, all) > 1e-4);
  // As far as the first segment: nothing is cut, and the initial memory is trained.
  CHECK(difference(gradient(2), all) < 1e-13);
  CHECK(difference(gradient(7), all) < 1e-13);
  CHECK(memory_of(all) > 0);
}

TEST_CASE("noise in the memory changes loss and gradient, a share of 0 no bit", "[rmt]") {
  const Fixture fixture;
  const auto run = [&](std::span<const FactSample> samples, const MemoryNoise& noise) {
    return run_batch(*fixture.start.layout, fixture.flat, samples, 0, true, noise);
  };
  const std::span<const FactSample> all(fixture.samples);
  const auto calm = run(all, {});
  const auto none = run(all, {0, 7});
  CHECK(none.loss == calm.loss);
  CHECK(at::equal(none.gradient, calm.gradient));
  const auto noisy = run(all, {0.1, 7}), again = run(all, {0.1, 7}), other = run(all, {0.1, 8});
  CHECK(noisy.loss != calm.loss);
  CHECK((noisy.gradient - calm.gradient).abs().max().item<double>() > 1e-6);
  CHECK(again.loss == noisy.loss);
  CHECK(at::equal(again.gradient, noisy.gradient));
  CHECK(other.loss != noisy.loss);
  // The less of it, the nearer.
  const auto away = [&](double share) { return std::abs(run(all, {share, 7}).loss - calm.loss); };
  CHECK(away(1e-6) < 1e-4 * away(0.1));
}

TEST_CASE("memory of one segment has no noise, nor has a model without memory", "[rmt]") {
  Fixture fixture;
  const auto tokenizer = models::open_tokenizer(fixture.start.tokenizer);
  const auto words = tasks::word_noise(
      *tokenizer, tasks::FactGenerator::confuser_ids(fixture.recipe.task, *tokenizer), 0);
  const tasks::FactGenerator generate({fixture.recipe.task, fixture.recipe.place, 12, {}},
                                      *tokenizer, words);
  const std::vector<FactSample> one{generate.sample(1, 1)}, three{generate.sample(1, 3)};
  const auto loss = [](const Fixture& of, std::span<const FactSample> samples, double share) {
    return run_batch(*of.start.layout, of.flat, samples, 0, false, {share, 3}).loss;
  };
  CHECK(loss(fixture, one, 0.5) == loss(fixture, one, 0));
  CHECK(loss(fixture, three, 0.5) != loss(fixture, three, 0));
  fixture.recipe.model.memory = 0;
  fixture.start = rmt_start(fixture.recipe, test::options_for(""));
  fixture.flat = fixture.start.layout->initial(5).to(at::kDouble);
  CHECK(loss(fixture, three, 0.5) == loss(fixture, three, 0));
}

TEST_CASE("a recipe's noise is in training and not in validation", "[rmt]") {
  const auto run = [](double share, RmtUse use) {
    auto text = test::small_recipe_json();
    if (share > 0) text["memory_noise"] = share;
    const RmtRecipe recipe = test::parsed_recipe(text);
    CHECK(recipe.memory_noise == share);
    const RmtStart start = rmt_start(recipe, test::options_for(""));
    const auto source = rmt_source(recipe, start);
    const std::vector<std::uint64_t> seeds{4, 5, 6, 7};
    const auto samples = source->draw(recipe.stages[1].batches[0], 3, seeds, use, 1);
    return samples->run(start.layout->initial(5), 0, 4, true);
  };
  for (const RmtUse use : {RmtUse::kTraining, RmtUse::kValidation}) {
    const auto calm = run(0, use), noisy = run(0.2, use);
    const bool training = use == RmtUse::kTraining;
    CHECK((calm.loss != noisy.loss) == training);
    CHECK(at::equal(calm.gradient, noisy.gradient) == !training);
  }
  CHECK(run(0, RmtUse::kTraining).loss == run(0, RmtUse::kValidation).loss);
}

}  // namespace
}  // namespace lethe::training
