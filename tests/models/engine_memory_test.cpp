// SPDX-License-Identifier: Apache-2.0
// What a cache really holds: counts, bytes and lifetimes, also where heads keep different numbers;
// sliding windows; positions that are given anew.
#include <cmath>
#include <numeric>

#include "models/checkpoint/safetensors.h"
#include "models/engine/positions.h"
#include "tests/models/engine_support.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::test {
namespace {

using models::DType;
using models::Path;
using policies::Positions;

constexpr std::int64_t kLayers = 3, kKvHeads = 2, kHeadDim = 8;  // llama_gqa_tied

/// Steps in which a token is among the attended rows, summed over tokens, from what was evicted.
std::int64_t lifetime_sum(const Recorder& recorder, const Recorder::Key& key, std::int64_t length) {
  std::int64_t sum = 0;
  if (const auto found = recorder.victims.find(key); found != recorder.victims.end()) {
    for (const auto& eviction : found->second) sum += eviction.step - eviction.position + 1;
  }
  for (const std::int64_t position : recorder.kept_sets.at(key)) sum += length - position;
  return sum;
}

std::int64_t allocated_bytes(const models::EvaluateResult& result) {
  std::int64_t bytes = 0;
  for (const auto& layer : result.layers) bytes += layer.allocated_bytes;
  return bytes;
}

TEST_CASE("counts, bytes and lifetimes are what the budget says", "[property]") {
  const std::string policy = GENERATE(from_range(every_policy()));
  const auto plan = policies::known_policies().resolve(policy);
  RandomStream random(16);
  const std::int64_t length = 70, budget = 12;
  for (int round = 0; round < 4; ++round) {
    models::EvaluateOptions options;
    options.budget = budget;
    options.schedule = random_schedule(random, policy, length);
    const auto r = run(random_ids(length, 4), policy, DType::kFloat32, options);
    CAPTURE(policy, options.schedule.text(), options.schedule.prompt);
    std::int64_t kept = 0;
    for (const auto& [key, positions] : r.recorder.kept_sets) {
      kept += static_cast<std::int64_t>(positions.size()) * (key.second < 0 ? kKvHeads : 1);
      const auto& layer = r.result.layers[static_cast<std::size_t>(key.first)];
      CHECK(layer.kept_min <= static_cast<std::int64_t>(positions.size()));
      CHECK(layer.kept_max >= static_cast<std::int64_t>(positions.size()));
      // Heads of a layer may differ, as those of the oracle do; their mean is the layer's.
      if (plan.traits.fixed_size) {
        CHECK(layer.mean_lifetime ==
              Approx(static_cast<double>(lifetime_sum(r.recorder, key, length)) / length));
      }
    }
    CHECK(r.result.kv_bytes == kept * 2 * kHeadDim * 4);
    CHECK(r.result.peak_kv_bytes <= kLayers * kKvHeads * length * 2 * kHeadDim * 4);
    for (const auto& layer : r.result.layers) {
      CHECK(layer.live_bytes <= layer.peak_live_bytes);
      CHECK(layer.live_bytes <= layer.allocated_bytes);
      CHECK(layer.largest_position == length - 1);
    }
    if (options.schedule.kind != policies::Schedule::Kind::kExact || !plan.traits.fixed_size) {
      continue;
    }
    CHECK(r.result.kv_bytes == kLayers * kKvHeads * budget * 2 * kHeadDim * 4);
    CHECK(r.result.peak_kv_bytes == kLayers * kKvHeads * (budget + 1) * 2 * kHeadDim * 4);
    // TOVA Tables 2 and 5, row "Avg.": (1/T) sum of min(t, k + 1), whatever the policy.
    std::int64_t expected = 0;
    for (std::int64_t t = 1; t <= length; ++t) expected += std::min(t, budget + 1);
    for (const auto& [key, victims] : r.recorder.victims) {
      CHECK(lifetime_sum(r.recorder, key, length) == expected);
      CHECK(static_cast<std::int64_t>(victims.size()) == length - budget);
    }
  }
}

/// KV head h keeps the newest 5 + 40 h tokens.
class Uneven final : public policies::EvictionPolicy {
 public:
  void select(const policies::CacheView& view, std::size_t, policies::EvictionPlan& plan) override {
    for (std::size_t h = 0; h < view.heads.size(); ++h) {
      const std::size_t cached = view.heads[h].positions.size(), keep = 5 + 40 * h;
      for (std::size_t i = 0; i + keep < cached; ++i) plan.victims[h].push_back(i);
    }
  }
};

TEST_CASE("heads that keep different numbers are stored without masks", "[property]") {
  policies::PolicyPlan plan;
  plan.text = "uneven";
  plan.traits.scope = policies::Scope::kKvHead;
  plan.traits.fixed_size = false;
  plan.traits.takes_budget = false;
  plan.make = [](const policies::LayerContext&) { return std::make_unique<Uneven>(); };
  const std::int64_t length = 1500;
  const auto ids = random_ids(length, 17);
  models::EvaluateOptions options;
  options.block_rows = 16;
  options.schedule.kind = policies::Schedule::Kind::kBlock;
  options.schedule.block = 4;
  for (const DType dtype : {DType::kFloat32, DType::kFloat64, DType::kBFloat16}) {
    const auto result = tiny_model("llama_gqa_tied", dtype).evaluate(ids, plan, options);
    const std::int64_t size = dtype == DType::kFloat32 ? 4 : dtype == DType::kFloat64 ? 8 : 2;
    CAPTURE(to_string(dtype));
    CHECK(result.kv_bytes == kLayers * (5 + 45) * 2 * kHeadDim * size);
    CHECK(result.layers.front().kept_min == 5);
    CHECK(result.layers.front().kept_max == 45);
    // Neither head ever held more than its own tokens and a block's.
    CHECK(allocated_bytes(result) <= kLayers * kKvHeads * 256 * 2 * kHeadDim * size);
  }
  options.path = Path::kStep;
  const auto step = tiny_model("llama_gqa_tied", DType::kFloat64).evaluate(ids, plan, options);
  options.path = Path::kScan;
  const auto scan = tiny_model("llama_gqa_tied", DType::kFloat64).evaluate(ids, plan, options);
  CHECK(max_difference(step.nll, scan.nll) < 1e-10);

  // A head whose cache grows does so alone.
  policies::PolicyPlan growing = plan;
  struct OneGrows final : policies::EvictionPolicy {
    void select(const policies::CacheView& view, std::size_t,
                policies::EvictionPlan& out) override {
      for (std::size_t i = 0; i + 8 < view.heads[0].positions.size(); ++i) {
        out.victims[0].push_back(i);
      }
    }
  };
  growing.make = [](const policies::LayerContext&) { return std::make_unique<OneGrows>(); };
  const auto result = tiny_model("llama_gqa_tied", DType::kFloat32).evaluate(ids, growing, options);
  CHECK(result.kv_bytes == kLayers * (8 + length) * 2 * kHeadDim * 4);
  CHECK(allocated_bytes(result) < kLayers * (256 + 2 * length) * 2 * kHeadDim * 4);
}

TEST_CASE("a cache that one cut has emptied gives its storage back", "[property]") {
  const std::string policy = GENERATE("tova", "tova:scope=head", "l2", "h2o");
  const std::int64_t length = 2400, budget = 40;
  const auto ids = random_ids(length, 24);
  models::EvaluateOptions options;
  options.budget = budget;
  options.schedule = policies::Schedule::parse("post-prompt");
  options.schedule.prompt = 2000;
  const auto scan = run(ids, policy, DType::kFloat64, options);
  CAPTURE(policy);
  CHECK(scan.result.layers.front().peak_live_bytes == 2000 * kKvHeads * 2 * kHeadDim * 8);
  CHECK(allocated_bytes(scan.result) == kLayers * kKvHeads * 256 * 2 * kHeadDim * 8);
  options.block_rows = 7;
  options.chunk_tokens = 100;
  const auto other = run(ids, policy, DType::kFloat64, options);
  CHECK(other.recorder.victims == scan.recorder.victims);
  CHECK(max_difference(other.result.nll, scan.result.nll) < 1e-10);
  options.path = Path::kStep;
  const auto step = run(ids, policy, DType::kFloat64, options);
  CHECK(step.recorder.victims == scan.recorder.victims);
  CHECK(max_difference(step.result.nll, scan.result.nll) < 1e-10);
  CHECK(allocated_bytes(step.result) == allocated_bytes(scan.result));
}

TEST_CASE("a layer's budget is what the policy gives it", "[unit]") {
  auto plan = policies::known_policies().resolve("tova");
  plan.layer_budget = [](const policies::LayerContext& context, std::int64_t budget) {
    return budget + 4 * (1 - context.layer);
  };
  models::EvaluateOptions options;
  options.budget = 20;
  const auto result =
      tiny_model("llama_gqa_tied", DType::kFloat32).evaluate(random_ids(90, 18), plan, options);
  CHECK(result.layers[0].kept_max == 24);
  CHECK(result.layers[1].kept_max == 20);
  CHECK(result.layers[2].kept_max == 16);
  options.budget = 4;
  CHECK_THROWS_WITH(
      tiny_model("llama_gqa_tied", DType::kFloat32).evaluate(random_ids(90, 18), plan, options),
      Catch::Contains("gives layer 2 0 tokens"));
}

TEST_CASE("a policy that drops too few is caught", "[fault]") {
  struct Idle final : policies::EvictionPolicy {
    void select(const policies::CacheView&, std::size_t, policies::EvictionPlan&) override {}
  };
  auto plan = policies::known_policies().resolve("window");
  plan.make = [](const policies::LayerContext&) { return std::make_unique<Idle>(); };
  models::EvaluateOptions options;
  options.budget = 20;
  CHECK_THROWS_WITH(
      tiny_model("llama_gqa_tied", DType::kFloat32).evaluate(random_ids(90, 18), plan, options),
      Catch::Contains("expected 1 victims"));
}

TEST_CASE("a sliding-window model gives the logits of transformers, every path", "[golden]") {
  const models::SafetensorsFile file(golden("tiny/mistral_sw16/golden.safetensors"));
  const auto ids = file.read_i64("input_ids");
  const auto expected = file.read_f64("logits");
  const auto full = policies::known_policies().resolve("full");
  for (const Path path : {Path::kScan, Path::kStep, Path::kDense}) {
    models::EvaluateOptions options;
    options.path = path;
    options.block_rows = 11;
    options.chunk_tokens = 40;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      options.logit_rows.push_back(static_cast<std::int64_t>(i));
    }
    const auto result = tiny_model("mistral_sw16", DType::kFloat32).evaluate(ids, full, options);
    std::vector<double> logits;
    for (const auto& row : result.logits) logits.insert(logits.end(), row.begin(), row.end());
    CAPTURE(static_cast<int>(path));
    CHECK(max_difference(logits, expected) < 1e-4);
    if (path == Path::kDense) continue;
    // A row sees itself and 15 tokens: 15 stay, the others are lost to the model, not evicted.
    CHECK(result.layers.front().kept_max == 15);
    CHECK(result.layers.front().lost == static_cast<std::int64_t>(ids.size()) - 15);
    CHECK(result.layers.front().evicted == 0);
  }
}

TEST_CASE("under a window a policy keeps the smaller of budget and window", "[property]") {
  const auto ids = random_ids(90, 19);
  models::EvaluateOptions options;
  const auto& model = tiny_model("mistral_sw16", DType::kFloat64);
  const auto full = run(model, ids, "full", options);
  options.budget = 40;  // more than the window leaves
  for (const std::string& policy : every_policy()) {
    if (policies::known_policies().resolve(policy).traits.reads_whole_text) continue;
    if (policy == "truncate") continue;        // its chunks of 40 are shorter than two windows
    if (policy.starts_with("namm")) continue;  // may drop more than the window does
    RandomStream random(20);
    options.schedule = random_schedule(random, policy, 90);
    const auto r = run(model, ids, policy, options);
    CAPTURE(policy, options.schedule.text());
    CHECK(max_difference(r.result.nll, full.result.nll) < 1e-10);
    CHECK(r.result.layers.front().evicted == 0);
  }
  options.schedule = {};
  options.budget = 6;
  const auto r = run(model, ids, "tova", options);
  CHECK(r.result.layers.front().kept_max == 6);
  CHECK(r.result.layers.front().evicted > 0);
}

TEST_CASE("gaps are compressed as in TOVA's code and as in its paper", "[unit]") {
  const auto code = [](std::int64_t gap) {
    return std::ceil(models::compressed_gap(Positions::kCompressed, gap));
  };
  CHECK(code(1) == 1);
  CHECK(code(10) == 10);
  CHECK(code(11) == 11);
  CHECK(code(20) == 11);
  CHECK(code(100) == 12);
  CHECK(code(1000) == 12);
  CHECK(code(4096) == 13);
  CHECK(code(70000) == 13);
  CHECK(models::compressed_gap(Positions::kCompressedPaper, 10) == 10);
  CHECK(models::compressed_gap(Positions::kCompressedPaper, 11) == Approx(0.8746).epsilon(1e-3));
  const std::vector<std::int64_t> original = {0, 1, 2, 30, 31, 1031, 1041};
  CHECK(models::assigned_positions(Positions::kCompressed, original) ==
        std::vector<double>{0, 1, 2, 14, 15, 27, 37});
  CHECK(models::assigned_positions(Positions::kCacheRelative, original) ==
        std::vector<double>{0, 1, 2, 3, 4, 5, 6});
}

/// The first layer of a checkpoint and no other.
class OneLayer final : public models::Checkpoint {
 public:
  explicit OneLayer(const models::Checkpoint& whole) : whole_(whole), config_(whole.config()) {
    config_.n_layers = 1;
  }
  const models::ModelConfig& config() const override { return config_; }
  std::string label() const override { return whole_.label(); }
  std::vector<std::filesystem::path> files() const override { return whole_.files(); }
  const std::vector<models::TensorInfo>& tensors() const override { return whole_.tensors(); }
  void read(std::string_view name, std::span<float> out) const override { whole_.read(name, out); }

 private:
  const models::Checkpoint& whole_;
  models::ModelConfig config_;
};

// In a model of one layer keys and values depend on the token alone, so the newest row under sinks
// and a window is the last row of the dense forward over just those tokens.
TEST_CASE("cache-relative positions are those of the kept tokens as a text of their own",
          "[property]") {
  const auto whole = models::open_checkpoint(golden("tiny/llama_gqa_tied"));
  const auto model = models::load_model(OneLayer(*whole), DType::kFloat64);
  const auto full = policies::known_policies().resolve("full");
  const auto ids = random_ids(60, 21);
  models::EvaluateOptions options;
  options.budget = 12;
  options.path = Path::kStep;
  options.positions = Positions::kCacheRelative;
  const auto streaming =
      model->evaluate(ids, policies::known_policies().resolve("window:sinks=4"), options);
  for (const std::size_t step : {std::size_t{5}, std::size_t{20}, std::size_t{58}}) {
    std::vector<std::int64_t> seen;  // 12 cached and the newest one
    for (std::size_t i = 0; i <= step; ++i) {
      if (i < 4 || i + 9 > step) seen.push_back(ids[i]);
    }
    seen.push_back(ids[step + 1]);
    const auto dense = model->evaluate(seen, full, {});
    CHECK(streaming.nll[step] == Approx(dense.nll.back()).epsilon(1e-10));
  }
}

TEST_CASE("new positions change nothing while there are no gaps", "[property]") {
  const auto ids = random_ids(70, 22);
  const auto how =
      GENERATE(Positions::kCacheRelative, Positions::kCompressed, Positions::kCompressedPaper);
  models::EvaluateOptions options;
  options.path = Path::kStep;
  options.rope_angles = models::RopeAngles::kF64;
  const auto plain = run(ids, "full", DType::kFloat64, options);
  options.budget = 14;
  const auto plain_window = run(ids, "window", DType::kFloat64, options);
  const auto plain_tova = run(ids, "tova", DType::kFloat64, options);
  options.positions = how;
  CAPTURE(to_string(how));
  // Rotary attention sees differences of positions only, so a window may begin anywhere.
  if (how == Positions::kCacheRelative) {
    CHECK(max_difference(run(ids, "window", DType::kFloat64, options).result.nll,
                         plain_window.result.nll) < 1e-9);
  }
  CHECK(max_difference(run(ids, "tova", DType::kFloat64, options).result.nll,
                       plain_tova.result.nll) > 1e-6);
  options.budget.reset();
  const auto r = run(ids, "full", DType::kFloat64, options);
  CHECK(max_difference(r.result.nll, plain.result.nll) < 1e-9);
  CHECK(r.result.layers.back().largest_position == 69);
}

/// Keeps everything and hands out the attention that each token received, per KV head.
struct Spy final : policies::EvictionPolicy {
  explicit Spy(std::vector<std::vector<double>>& sums) : sums_(sums) {}
  void observe(const policies::CacheView& view) override {
    sums_.resize(view.heads.size());
    for (std::size_t h = 0; h < view.heads.size(); ++h) {
      const auto& attention = view.heads[h].attention;
      sums_[h].resize(static_cast<std::size_t>(view.step) + 1, 0.0);
      for (std::size_t i = 0; i < attention.cached(); ++i) {
        double& sum = sums_[h][static_cast<std::size_t>(view.heads[h].positions[i])];
        for (int q = 0; q < attention.heads(); ++q) sum += attention.at(0, q, i);
      }
    }
  }
  void select(const policies::CacheView&, std::size_t, policies::EvictionPlan&) override {}
  std::vector<std::vector<double>>& sums_;
};

/// Per KV head of the first layer, the positions that receive most of all attention, heaviest
/// first. Only the first layer's input is that of the full model.
std::vector<std::vector<std::int64_t>> heaviest(const models::Model& model,
                                                const std::vector<std::int64_t>& ids) {
  std::vector<std::vector<std::vector<double>>> sums(
      static_cast<std::size_t>(model.config().n_layers));
  auto spy = policies::known_policies().resolve("full");
  spy.traits.reads_attention = true;
  spy.traits.scope = policies::Scope::kKvHead;
  spy.make = [&](const policies::LayerContext& context) {
    return std::make_unique<Spy>(sums[static_cast<std::size_t>(context.layer)]);
  };
  model.evaluate(ids, spy, {});
  std::vector<std::vector<std::int64_t>> orders;
  for (const auto& sum : sums.front()) {
    auto& order = orders.emplace_back(ids.size());
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
      return sum[static_cast<std::size_t>(a)] > sum[static_cast<std::size_t>(b)];
    });
  }
  return orders;
}

TEST_CASE("h2o-oracle keeps the tokens that the whole text attends to most", "[property]") {
  const std::int64_t length = 100, budget = 20;
  const auto ids = random_ids(length, 23);
  const auto orders = heaviest(tiny_model("llama_gqa_tied", DType::kFloat64), ids);
  models::EvaluateOptions options;
  options.budget = budget;
  const auto r = run(ids, "h2o-oracle", DType::kFloat64, options);
  for (int head = 0; head < kKvHeads; ++head) {
    const auto& order = orders[static_cast<std::size_t>(head)];
    std::vector<std::int64_t> expected(order.begin(), order.begin() + budget / 2);
    for (std::int64_t i = length - budget / 2; i < length; ++i) expected.push_back(i);
    std::sort(expected.begin(), expected.end());
    expected.erase(std::unique(expected.begin(), expected.end()), expected.end());
    CAPTURE(head);
    CHECK(r.recorder.kept_sets.at({0, head}) == expected);
    for (const auto& eviction : r.recorder.victims.at({0, head})) {
      CHECK(eviction.position == eviction.step - budget / 2);  // on leaving the recent window
    }
  }
}

TEST_CASE("h2o-oracle finds the heavy tokens of a sliding-window model", "[property]") {
  const std::int64_t length = 90, budget = 20;
  const auto& model = tiny_model("mistral_sw16", DType::kFloat64);
  const auto ids = random_ids(length, 25);
  const auto orders = heaviest(model, ids);
  models::EvaluateOptions options;
  options.budget = budget;
  const auto r = run(model, ids, "h2o-oracle", options);
  for (std::size_t head = 0; head < orders.size(); ++head) {
    std::vector<Recorder::Eviction> expected;  // a heavy token is the window's to take
    for (std::int64_t p = 0; p + budget / 2 < length; ++p) {
      const auto heavy = orders[head].begin() + budget / 2;
      if (std::find(orders[head].begin(), heavy, p) == heavy) {
        expected.push_back({p + budget / 2, p});
      }
    }
    CAPTURE(head);
    CHECK(r.recorder.victims.at({0, static_cast<int>(head)}) == expected);
  }
}

}  // namespace
}  // namespace lethe::test
