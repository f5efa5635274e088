// SPDX-License-Identifier: Apache-2.0
// namm in the engine: what it sees is the attention of the cache as it is, on both paths.
#include <cmath>
#include <map>

#include "policies/namm/namm.h"
#include "tests/models/engine_support.h"
#include "tests/policies/namm_reference.h"
#include "tests/support/catch.h"

namespace lethe::test {
namespace {

using models::DType;
using models::Path;
using policies::NammParameters;

policies::PolicyPlan plan_of(NammParameters parameters,
                             policies::NammObserver* observer = nullptr) {
  return policies::make_namm_plan(std::make_shared<const NammParameters>(std::move(parameters)), {},
                                  observer);
}

models::EvaluateOptions block_of(std::int64_t interval) {
  models::EvaluateOptions options;
  options.schedule = policies::Schedule::parse("block:" + std::to_string(interval));
  return options;
}

Run run_plan(const models::Model& model, const std::vector<std::int64_t>& ids,
             const policies::PolicyPlan& plan, models::EvaluateOptions options) {
  Run out;
  options.observer = &out.recorder;
  out.result = model.evaluate(ids, plan, options);
  return out;
}

/// Every update by layer, in order.
class Gatherer final : public policies::NammObserver {
 public:
  struct Head {
    std::int64_t step;
    std::vector<std::int64_t> positions;
    policies::SpectrumTable omega;
    std::vector<float> scores;
    std::vector<std::uint8_t> kept;
  };
  void updated(const policies::LayerContext& layer, std::int64_t step,
               std::span<const policies::NammHeadUpdate> heads) override {
    for (const auto& head : heads) {
      by_layer[layer.layer].push_back({step,
                                       {head.positions.begin(), head.positions.end()},
                                       *head.spectrum,
                                       {head.scores.begin(), head.scores.end()},
                                       {head.kept.begin(), head.kept.end()}});
    }
  }
  std::map<int, std::vector<Head>> by_layer;
};

TEST_CASE("weights of zero leave the model as it is", "[property]") {
  const std::int64_t length = 96;
  const auto ids = random_ids(length, 51);
  const DType dtype = GENERATE(DType::kFloat32, DType::kFloat64);
  const std::string shape = GENERATE(from_range(kShapes));
  const Path path = GENERATE(Path::kScan, Path::kStep);
  const auto& model = tiny_model(shape, dtype);
  auto options = block_of(32);
  options.path = path;
  for (std::int64_t row = 0; row < length; row += 5) options.logit_rows.push_back(row);
  const auto plan = plan_of(policies::zero_namm_parameters(policies::NammVariant::kBam, 32, 32));
  const Run found = run_plan(model, ids, plan, options);
  const Run full = run(model, ids, "full", options);
  options.budget = length;
  const Run unbound = run(model, ids, "h2o", options);
  CAPTURE(shape, to_string(dtype), static_cast<int>(path));
  // To the last bit beside a policy that reads attention too; where none is read, the engine adds
  // the same numbers in another order.
  CHECK(found.result.logits == unbound.result.logits);
  CHECK(found.result.nll == unbound.result.nll);
  CHECK(max_difference(found.result.nll, full.result.nll) <
        (dtype == DType::kFloat64 ? 1e-10 : 1e-4));
  CHECK(found.recorder.victims.empty());
  CHECK(found.recorder.kept_sets == unbound.recorder.kept_sets);
}

TEST_CASE("namm without a budget decides alike on both paths and in any pieces", "[property]") {
  RandomStream random(52);
  std::size_t victims = 0;
  for (int round = 0; round < 12; ++round) {
    const std::string shape = kShapes[random.below(kShapes.size())];
    const auto& model = tiny_model(shape, DType::kFloat64);
    const std::int64_t interval = 16 * (1 + static_cast<std::int64_t>(random.below(3)));
    const auto ids = random_ids(100 + static_cast<std::int64_t>(random.below(60)), random.next());
    const auto plan = plan_of(policies::random_namm(random.next(), interval, 0.1F));
    auto options = block_of(interval);
    const Run whole = run_plan(model, ids, plan, options);
    CAPTURE(shape, round, interval, ids.size());
    for (int pieces = 0; pieces < 2; ++pieces) {
      options.block_rows = 1 + static_cast<std::int64_t>(random.below(70));
      options.chunk_tokens = 1 + static_cast<std::int64_t>(random.below(140));
      check_same(whole, run_plan(model, ids, plan, options), 1e-10);
    }
    options.path = Path::kStep;
    check_same(run_plan(model, ids, plan, options), whole, 1e-10);
    for (const auto& [key, list] : whole.recorder.victims) victims += list.size();
  }
  CHECK(victims > 1000);
}

TEST_CASE("what namm is shown are the tokens that stayed, at their positions", "[property]") {
  const std::int64_t interval = 16, length = 16 * 40;
  const auto ids = random_ids(length, 53);
  Gatherer gatherer;
  auto parameters = policies::random_namm(54, interval, 0.1F);
  const Run found = run_plan(tiny_model("llama_gqa_tied", DType::kFloat32), ids,
                             plan_of(parameters, &gatherer), block_of(interval));
  REQUIRE(gatherer.by_layer.size() == 3);
  for (const auto& [layer, updates] : gatherer.by_layer) {
    REQUIRE(updates.size() == 2 * 40);
    for (int head = 0; head < 2; ++head) {
      std::vector<std::int64_t> live;
      for (std::size_t u = static_cast<std::size_t>(head); u < updates.size(); u += 2) {
        const auto& update = updates[u];
        for (std::int64_t p = update.step - interval + 1; p <= update.step; ++p) live.push_back(p);
        REQUIRE(update.positions == live);
        live.clear();
        for (std::size_t i = 0; i < update.kept.size(); ++i) {
          if (update.kept[i]) live.push_back(update.positions[i]);
        }
      }
      CHECK(found.recorder.kept_sets.at({layer, head}) == live);
    }
  }
}

/// Entropies of the rows that a policy is shown, each as a share of the largest possible.
struct Entropies {
  double sum = 0;
  int rows = 0;
};

/// Passes everything on, and looks at the attention of late queries.
class Watching final : public policies::EvictionPolicy {
 public:
  Watching(std::unique_ptr<EvictionPolicy> policy, Entropies& found)
      : policy_(std::move(policy)), found_(found) {}
  void observe(const policies::CacheView& view) override {
    for (const auto& head : view.heads) {
      const std::size_t cached = head.attention.cached();
      if (view.step < 400 || cached < 3) continue;
      for (int q = 0; q < head.attention.heads(); ++q) {
        double sum = 0, entropy = 0;
        for (std::size_t i = 0; i < cached; ++i) {
          const double weight = head.attention.at(0, q, i);
          sum += weight;
          if (weight > 0) entropy -= weight * std::log(weight);
        }
        CHECK(sum == Approx(1).epsilon(1e-4));
        found_.sum += entropy / std::log(static_cast<double>(cached));
        ++found_.rows;
      }
    }
    policy_->observe(view);
  }
  void select(const policies::CacheView& view, std::size_t budget,
              policies::EvictionPlan& plan) override {
    policy_->select(view, budget, plan);
  }
  void applied(const policies::EvictionPlan& plan) override { policy_->applied(plan); }

 private:
  std::unique_ptr<EvictionPolicy> policy_;
  Entropies& found_;
};

// A mask of the wrong size would let every query see every slot alike after many cuts.
TEST_CASE("after many updates attention is still that of the cached tokens", "[property]") {
  const std::int64_t interval = 16;
  const auto ids = random_ids(16 * 40, 55);
  auto plan = plan_of(policies::random_namm(56, interval, 0.1F));
  Entropies found;
  plan.make = [&found, make = plan.make](const policies::LayerContext& context) {
    return std::make_unique<Watching>(make(context), found);
  };
  run_plan(tiny_model("llama_gqa_tied", DType::kFloat32), ids, plan, block_of(interval));
  REQUIRE(found.rows > 1000);
  CHECK(found.sum / found.rows < 0.99);
}

}  // namespace
}  // namespace lethe::test
