// SPDX-License-Identifier: Apache-2.0
// Keys and values stored in fewer bits: the same on every path, in the bytes they should take, and
// near what they stand for.
#include <algorithm>
#include <cmath>
#include <limits>

#include <ATen/ATen.h>

#include "harness/base/error.h"
#include "models/checkpoint/checkpoint.h"
#include "models/engine/kv_cache.h"
#include "models/engine/small_product.h"
#include "tests/models/engine_support.h"
#include "tests/models/smollm2_cases.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::test {
namespace {

using models::DType;
using models::KvType;
using models::Path;

constexpr std::int64_t kLayers = 3, kKvHeads = 2, kHeadDim = 8;  // llama_gqa_tied

TEST_CASE("narrow keys and values: every path and backend chooses the same victims", "[property]") {
  const auto type = GENERATE(KvType::kFloat32, KvType::kBFloat16, KvType::kInt8);
  RandomStream random(51 + static_cast<std::uint64_t>(type));
  for (const std::string policy : {"tova", "tova:scope=head", "h2o", "l2", "window:sinks=2"}) {
    const auto& shape = kShapes[static_cast<std::size_t>(random.below(kShapes.size()))];
    const auto ids = random_ids(40 + static_cast<std::int64_t>(random.below(60)), random.next());
    auto options = random_options(random, policy, static_cast<std::int64_t>(ids.size()));
    options.kv_type = type;
    CAPTURE(policy, shape, to_string(type), options.schedule.text(), options.block_rows);
    const auto& host = tiny_model(shape, DType::kFloat64);
    const auto scan = run(host, ids, policy, options);
    const auto& tensor = tiny_model(shape, DType::kFloat64, {.backend = models::Backend::kTensor});
    check_same(scan, run(tensor, ids, policy, options), 1e-9);
    options.path = Path::kStep;
    check_same(run(host, ids, policy, options), scan, 1e-9);
  }
}

TEST_CASE("products read narrow numbers as if they were widened, row by row with the same bits",
          "[property]") {
  RandomStream random(52);
  for (int round = 0; round < 30; ++round) {
    const auto m = 1 + static_cast<std::int64_t>(random.below(20));
    const std::int64_t n = 16 * (1 + static_cast<std::int64_t>(random.below(9)));
    const auto k = 1 + static_cast<std::int64_t>(random.below(600));
    std::vector<float> a(static_cast<std::size_t>(m * k));
    for (float& value : a) value = static_cast<float>(random.uniform() - 0.5);
    std::vector<std::int8_t> bytes(static_cast<std::size_t>(k * n));
    std::vector<models::lanes::Bf16> halves(bytes.size());
    std::vector<float> of_bytes(bytes.size()), of_halves(bytes.size());
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      bytes[i] = static_cast<std::int8_t>(static_cast<int>(random.below(255)) - 127);
      of_bytes[i] = bytes[i];
      models::lanes::narrow(static_cast<float>(random.uniform() - 0.5), halves[i]);
      of_halves[i] = models::lanes::widened(halves[i]);
    }
    const auto product = [&](const auto& b, std::int64_t first, std::int64_t rows) {
      std::vector<float> c(static_cast<std::size_t>(rows * n));
      models::small_product<float>(a.data() + first * k, k, b.data(), n, rows, n, k, 0.125F,
                                   c.data(), n);
      return c;
    };
    CAPTURE(m, n, k);
    const auto whole = product(of_halves, 0, m);
    CHECK(product(halves, 0, m) == whole);
    CHECK(product(bytes, 0, m) == product(of_bytes, 0, m));
    for (std::int64_t row = 0; row < m; ++row) {
      const auto alone = product(halves, row, 1);
      CHECK(std::equal(alone.begin(), alone.end(), whole.begin() + row * n));
    }
  }
}

TEST_CASE("bytes of a cache are those of its type", "[property]") {
  const auto ids = random_ids(60, 53);
  models::EvaluateOptions options;
  options.budget = 16;
  constexpr std::int64_t kSlots = 80;  // 17 live, a block of 60 tokens, in whole vectors
  for (const auto& [type, vector] :
       {std::pair(KvType::kSame, 4 * kHeadDim), std::pair(KvType::kFloat32, 4 * kHeadDim),
        std::pair(KvType::kBFloat16, 2 * kHeadDim), std::pair(KvType::kInt8, kHeadDim + 4)}) {
    options.kv_type = type;
    for (const std::string policy : {"tova", "tova:scope=head"}) {
      CAPTURE(to_string(type), policy);
      const auto result = run(ids, policy, DType::kFloat32, options).result;
      CHECK(result.kv_bytes == kLayers * kKvHeads * 16 * 2 * vector);
      CHECK(result.peak_kv_bytes == kLayers * kKvHeads * 17 * 2 * vector);
      for (const auto& layer : result.layers) {
        CHECK(layer.allocated_bytes == kKvHeads * kSlots * 2 * vector);
      }
    }
  }
}

TEST_CASE("an evaluation with int8 keys and values goes on bit for bit", "[property]") {
  const auto ids = random_ids(70, 54);
  models::EvaluateOptions options;
  options.kv_type = KvType::kInt8;
  options.budget = 12;
  options.chunk_tokens = 16;
  const auto whole = run(ids, "tova", DType::kFloat32, options);
  StateInMemory keeper;
  options.keeper = &keeper;
  const auto saved = run(ids, "tova", DType::kFloat32, options);
  REQUIRE(keeper.saves > 1);
  CHECK(saved.result.nll == whole.result.nll);
  const auto resumed = run(ids, "tova", DType::kFloat32, options);
  CHECK(keeper.refusal.empty());
  CHECK(resumed.result.nll == whole.result.nll);
  CHECK(resumed.result.kv_bytes == whole.result.kv_bytes);
  options.kv_type = KvType::kSame;  // a state of another type is none
  run(ids, "tova", DType::kFloat32, options);
  CHECK_FALSE(keeper.refusal.empty());
}

TEST_CASE("cells of different KV dtypes share no prefix", "[property]") {
  const auto ids = random_ids(300, 55);
  models::PrefixCache prefixes(1 << 26);
  models::EvaluateOptions options;
  options.budget = 200;
  for (const KvType type : {KvType::kSame, KvType::kInt8, KvType::kSame}) {
    options.kv_type = type;
    options.prefixes = nullptr;
    const auto alone = run(ids, "tova", DType::kFloat32, options);
    options.prefixes = &prefixes;
    const auto shared = run(ids, "tova", DType::kFloat32, options);
    CHECK(shared.result.nll == alone.result.nll);
  }
}

TEST_CASE("on real text narrow keys and values change little", "[golden]") {
  const auto& golden = policies_384();
  const auto model = models::load_model(*models::open_checkpoint(default_model()), DType::kFloat32);
  const auto ids = std::vector(golden.ids.begin(), golden.ids.begin() + 192);
  const auto mean_of = [&](KvType type) {
    models::EvaluateOptions options;
    options.kv_type = type;
    return mean(run(*model, ids, "full", options).result.nll);
  };
  const double plain = mean_of(KvType::kSame);
  CHECK(mean_of(KvType::kFloat32) == plain);
  CHECK(std::abs(mean_of(KvType::kBFloat16) - plain) < 0.005);
  CHECK(std::abs(mean_of(KvType::kInt8) - plain) < 0.02);
}

TEST_CASE("an activation that is no number shows in int8 keys and values", "[fault]") {
  const models::kernels::QkvShape shape{2, 1, 8};
  for (const auto backend : {models::Backend::kHost, models::Backend::kTensor}) {
    for (const float wrong : {std::numeric_limits<float>::infinity(), std::nanf("")}) {
      models::LayerCache cache(shape, policies::Scope::kLayer, 256, at::kChar, false,
                               {at::kCPU, backend});
      at::Tensor qkv = at::ones({2, shape.row()});
      qkv[1][2 * 8 + 3] = wrong;  // in the key of the second row
      std::vector<std::int32_t> slots(2);
      cache.write(qkv, slots);
      const at::Tensor keys = cache.keys_as(0, 256, at::kFloat);
      const at::Tensor values = cache.values_as(0, 256, at::kFloat);
      CHECK(keys.select(2, slots[0]).isfinite().all().item<bool>());
      CHECK(keys.select(2, slots[1]).isnan().all().item<bool>());
      CHECK(values.select(1, slots[1]).isfinite().all().item<bool>());
    }
  }
}

TEST_CASE("an unknown KV dtype is refused with the known ones", "[fault]") {
  CHECK(models::parse_kv_type("int8") == KvType::kInt8);
  CHECK_THROWS_WITH(models::parse_kv_type("int88"), Catch::Contains("did you mean 'int8'?"));
}

}  // namespace
}  // namespace lethe::test
