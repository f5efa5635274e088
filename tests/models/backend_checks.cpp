// SPDX-License-Identifier: Apache-2.0
#include "tests/models/backend_checks.h"

#include <algorithm>
#include <cmath>

#include "harness/base/seed.h"
#include "models/checkpoint/checkpoint.h"
#include "tests/models/smollm2_cases.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::test {
namespace {

using models::DType;
using models::Path;

constexpr double kTolerance = 1e-9;  // of NLL in float64

/// A checkpoint whose queries are many times longer: its attention looks at few tokens.
class Peaked final : public models::Checkpoint {
 public:
  explicit Peaked(const models::Checkpoint& plain) : plain_(plain) {}
  const models::ModelConfig& config() const override { return plain_.config(); }
  std::string label() const override { return plain_.label(); }
  std::vector<std::filesystem::path> files() const override { return plain_.files(); }
  const std::vector<models::TensorInfo>& tensors() const override { return plain_.tensors(); }
  void read(std::string_view name, std::span<float> out) const override {
    plain_.read(name, out);
    if (name.find("q_proj") == std::string_view::npos) return;
    for (float& value : out) value *= 60;
  }

 private:
  const models::Checkpoint& plain_;
};

/// Drops the token that the first query head looks at most. (Of several heads, each may give all it
/// has: their tokens would tie.)
struct DropsLargest final : policies::EvictionPolicy {
  void select(const policies::CacheView& view, std::size_t budget,
              policies::EvictionPlan& plan) override {
    for (std::size_t h = 0; h < view.heads.size(); ++h) {
      const std::size_t cached = view.heads[h].positions.size();
      if (cached <= budget) continue;
      const auto weight = [&](std::size_t i) { return view.heads[h].attention.at(0, 0, i); };
      std::size_t largest = 0;
      for (std::size_t i = 1; i < cached; ++i) {
        if (weight(i) > weight(largest)) largest = i;
      }
      plan.victims[h].push_back(largest);
    }
  }
};

}  // namespace

void check_policies(const models::LoadOptions& where, int rounds) {
  RandomStream random(41);
  for (const std::string& policy : every_policy()) {
    const auto traits = policies::known_policies().resolve(policy).traits;
    for (int round = 0; round < rounds; ++round) {
      const std::string shape = kShapes[random.below(kShapes.size())];
      const auto ids = random_ids(6 + static_cast<std::int64_t>(random.below(90)), random.next());
      auto options = random_options(random, policy, static_cast<std::int64_t>(ids.size()));
      for (const Path path : {Path::kScan, Path::kStep}) {
        if (path == Path::kStep && traits.reads_whole_text) continue;
        options.path = path;
        CAPTURE(shape, round, policy, static_cast<int>(path), options.schedule.text(),
                options.schedule.prompt, ids.size(), *options.budget, options.block_rows,
                options.chunk_tokens);
        check_same(run(tiny_model(shape, DType::kFloat64), ids, policy, options),
                   run(tiny_model(shape, DType::kFloat64, where), ids, policy, options),
                   kTolerance);
      }
    }
  }
}

void check_goldens(const models::LoadOptions& where, std::int64_t tokens) {
  const auto model =
      models::load_model(*models::open_checkpoint(default_model()), DType::kFloat32, {}, where);
  const PolicyCases cases = first_tokens(policies_384(), tokens);
  for (const PolicyCase& expected : cases.cases) {
    models::EvaluateOptions options;
    options.budget = expected.budget;
    const Run found = run(*model, cases.ids, expected.policy, options);
    CAPTURE(expected.policy, expected.budget);
    const FlipReport flips = compare_victims(expected, found.recorder, 1e-5);
    CHECK(flips.unexcused == "");
    CHECK(max_difference(found.result.nll, expected.nll, flips.first_token) < 1e-3);
    CHECK(std::abs(mean(found.result.nll) - expected.mean_nll) < 1e-4);
  }
}

void check_dense(const models::LoadOptions& where) {
  const auto ids = random_ids(70, 42);
  for (const std::string& shape : kShapes) {
    for (const Path path : {Path::kDense, Path::kScan, Path::kStep}) {
      models::EvaluateOptions options;
      options.path = path;
      options.logit_rows = {0, 33, 69};
      options.score_from = 5;
      const auto host = run(tiny_model(shape, DType::kFloat64), ids, "full", options).result;
      const auto other =
          run(tiny_model(shape, DType::kFloat64, where), ids, "full", options).result;
      CAPTURE(shape, static_cast<int>(path));
      CHECK(max_difference(other.nll, host.nll) < kTolerance);
      REQUIRE(other.logits.size() == 3);
      for (std::size_t i = 0; i < 3; ++i) {
        const std::vector<double> expected(host.logits[i].begin(), host.logits[i].end()),
            found(other.logits[i].begin(), other.logits[i].end());
        CHECK(max_difference(found, expected) < 1e-5);  // they are handed out in float32
      }
    }
  }
}

void check_prefixes(const models::LoadOptions& where) {
  const auto ids = random_ids(400, 43);
  const auto& model = tiny_model("llama_gqa_tied", DType::kFloat64, where);
  models::PrefixCache prefixes(1 << 26);
  models::EvaluateOptions shared;
  shared.prefixes = &prefixes;
  run(model, ids, "full", shared);
  RandomStream random(48);
  for (const std::string& policy : every_policy()) {
    models::EvaluateOptions alone;
    alone.budget = shared.budget = 128;
    alone.schedule = shared.schedule = random_schedule(random, policy, 400);
    const Run a = run(model, ids, policy, alone), b = run(model, ids, policy, shared);
    CAPTURE(policy);
    check_same(a, b, kTolerance);
    if (alone.schedule.kind == policies::Schedule::Kind::kExact &&
        policies::known_policies().resolve(policy).traits.fixed_size) {
      CHECK(b.result.shared_tokens == 128);
    }
  }
}

void check_resume(const models::LoadOptions& where) {
  const auto ids = random_ids(150, 44);
  RandomStream random(49);
  const auto& model = tiny_model("llama_gqa_tied", DType::kFloat64, where);
  for (const std::string& policy : every_policy()) {
    if (policies::known_policies().resolve(policy).traits.reads_whole_text) continue;
    CAPTURE(policy);
    models::EvaluateOptions options;
    options.budget = 24;
    options.chunk_tokens = 32;
    options.schedule = random_schedule(random, policy, 150);
    const Run whole = run(model, ids, policy, options);
    StateInMemory memory;
    options.keeper = &memory;
    options.should_stop = [&] { return memory.state.has_value(); };
    CHECK_THROWS_AS(run(model, ids, policy, options), Error);
    options.should_stop = nullptr;
    const Run resumed = run(model, ids, policy, options);
    CHECK(memory.refusal == "");
    CHECK(max_difference(resumed.result.nll, whole.result.nll) < kTolerance);
    CHECK(resumed.recorder.kept_sets == whole.recorder.kept_sets);
    CHECK(resumed.result.layers.back().evicted == whole.result.layers.back().evicted);
    run(tiny_model("llama_gqa_tied", DType::kFloat64), ids, policy, options);
    CHECK_THAT(memory.refusal, Catch::Contains("belongs to something else"));
  }
}

void check_peaked_scores(const models::LoadOptions& where) {
  const auto plain = models::open_checkpoint(golden("tiny/llama_gqa_tied"));
  const Peaked peaked(*plain);
  const auto host = models::load_model(peaked, DType::kFloat64),
             other = models::load_model(peaked, DType::kFloat64, {}, where);
  auto plan = policies::known_policies().resolve("tova");
  plan.make = [](const policies::LayerContext&) { return std::make_unique<DropsLargest>(); };
  for (const auto scope : {policies::Scope::kLayer, policies::Scope::kKvHead}) {
    plan.traits.scope = scope;
    const auto ids = random_ids(120, 45);
    const auto evaluate = [&](const models::Model& model, Path path) {
      Run out;
      models::EvaluateOptions options;
      options.budget = 30;
      options.path = path;
      options.observer = &out.recorder;
      out.result = model.evaluate(ids, plan, options);
      return out;
    };
    const Run expected = evaluate(*host, Path::kStep);
    check_same(expected, evaluate(*host, Path::kScan), kTolerance);
    check_same(expected, evaluate(*other, Path::kScan), kTolerance);
    check_same(expected, evaluate(*other, Path::kStep), kTolerance);
  }
}

void check_bfloat16(const models::LoadOptions& where) {
  const auto ids = random_ids(300, 46);
  models::EvaluateOptions options;
  for (const std::string policy : {"full", "window"}) {  // flips at near ties are another matter
    if (policy != "full") options.budget = 100;
    const auto host = run(tiny_model("llama_gqa_tied", DType::kFloat32), ids, policy, options);
    const auto other =
        run(tiny_model("llama_gqa_tied", DType::kBFloat16, where), ids, policy, options);
    CAPTURE(policy);
    CHECK(std::abs(mean(other.result.nll) - mean(host.result.nll)) < 1e-2);
    CHECK(max_difference(other.result.nll, host.result.nll) > 1e-4);  // it really ran in bfloat16
    CHECK(other.result.kv_bytes == host.result.kv_bytes / 2);
  }
}

}  // namespace lethe::test
