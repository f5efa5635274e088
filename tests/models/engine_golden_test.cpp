// SPDX-License-Identifier: Apache-2.0
// Golden parity of the engine on SmolLM2-135M: dense NLL and logits, and the policies, at the
// tolerances of tests/golden/README.md.
#include <cmath>

#include "harness/base/json.h"
#include "models/checkpoint/safetensors.h"
#include "tests/models/engine_support.h"
#include "tests/models/smollm2_cases.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::test {
namespace {

using models::DType;
using models::Path;

const models::SafetensorsFile& dense_file() {
  static const models::SafetensorsFile file(golden("dense/smollm2_nll.safetensors"));
  return file;
}

const models::Model& smollm2(DType dtype) {
  static std::map<DType, std::unique_ptr<models::Model>> loaded;
  auto& model = loaded[dtype];
  if (!model) model = models::load_model(*models::open_checkpoint(default_model()), dtype);
  return *model;
}

models::EvaluateResult evaluate(const std::vector<std::int64_t>& ids, const std::string& policy,
                                DType dtype, models::EvaluateOptions options) {
  return smollm2(dtype).evaluate(ids, policies::known_policies().resolve(policy), options);
}

TEST_CASE("dense NLL of SmolLM2 equals transformers in float32", "[golden]") {
  const std::string key = GENERATE("0", "1", "2", "bos");
  CAPTURE(key);
  const auto result =
      evaluate(dense_file().read_i64(key + ".input_ids"), "full", DType::kFloat32, {});
  const auto expected = dense_file().read_f64(key + ".nll_float32");
  CHECK(max_difference(result.nll, expected) < 1e-3);
  CHECK(std::abs(mean(result.nll) - mean(expected)) < 1e-5);
}

TEST_CASE("mean NLL over 4,096 tokens equals transformers, chunked and in one piece", "[golden]") {
  const auto ids = dense_file().read_i64("long.input_ids");
  double expected = 0;
  const auto index = read_json_file(golden("dense/smollm2_nll.json"), ErrorKind::kData);
  for (const auto& value : index.at("cases").as_array()) {
    if (value.at("key").as_string() == "long")
      expected = value.at("mean_nll_float32").to_number<double>();
  }
  const auto chunked = evaluate(ids, "full", DType::kFloat32, {});
  CHECK(std::abs(mean(chunked.nll) - expected) < 1e-5);
  models::EvaluateOptions dense;
  dense.path = Path::kDense;
  const auto fused = evaluate(ids, "full", DType::kFloat32, dense);
  CHECK(std::abs(mean(fused.nll) - expected) < 1e-5);
  CHECK(max_difference(chunked.nll, fused.nll) < 1e-3);
}

TEST_CASE("dense NLL of SmolLM2 equals an independent float64 forward", "[golden]") {
  const auto result = evaluate(dense_file().read_i64("0.input_ids"), "full", DType::kFloat64, {});
  const auto expected = dense_file().read_f64("0.nll_float64");
  CHECK(max_difference(result.nll, expected) < 1e-9);
}

TEST_CASE("bfloat16 stays within 1e-2 of float32 in the mean", "[golden]") {
  auto ids = dense_file().read_i64("1.input_ids");
  ids.resize(512);
  const auto bf16 = evaluate(ids, "full", DType::kBFloat16, {});
  const auto f32 = evaluate(ids, "full", DType::kFloat32, {});
  CHECK(std::abs(mean(bf16.nll) - mean(f32.nll)) < 1e-2);
  CHECK(max_difference(bf16.nll, f32.nll) > 1e-4);  // it really ran in bfloat16
}

TEST_CASE("logits of SmolLM2 equal transformers", "[golden]") {
  models::EvaluateOptions options;
  options.logit_rows = {255, 2046};
  const auto result =
      evaluate(dense_file().read_i64("0.input_ids"), "full", DType::kFloat32, options);
  const auto expected = dense_file().read_f64("0.logits_rows_255_2046");
  std::vector<double> actual;
  for (const auto& row : result.logits) actual.insert(actual.end(), row.begin(), row.end());
  CHECK(max_difference(actual, expected) < 5e-3);
}

TEST_CASE("every policy equals its golden victims on SmolLM2: scan, float64", "[golden]") {
  CHECK(policies_384().cases.size() == 22);
  for (const PolicyCase& expected : policies_384().cases) {
    Recorder recorder;
    models::EvaluateOptions options;
    options.budget = expected.budget;
    options.observer = &recorder;
    const auto result = evaluate(policies_384().ids, expected.policy, DType::kFloat64, options);
    CAPTURE(expected.policy, expected.budget);
    CHECK(compare_victims(expected, recorder, 0.0).unexcused.empty());
    CHECK(recorder.kept_sets == expected.kept);
    CHECK(max_difference(result.nll, expected.nll) < 1e-9);
  }
}

TEST_CASE("every policy equals its golden victims on SmolLM2: scan, float32", "[golden]") {
  for (const PolicyCase& expected : policies_384().cases) {
    Recorder recorder;
    models::EvaluateOptions options;
    options.budget = expected.budget;
    options.observer = &recorder;
    const auto result = evaluate(policies_384().ids, expected.policy, DType::kFloat32, options);
    CAPTURE(expected.policy, expected.budget);
    const FlipReport flips = compare_victims(expected, recorder, 1e-5);
    CHECK(flips.unexcused == "");
    CHECK(max_difference(result.nll, expected.nll, flips.first_token) < 1e-3);
    CHECK(std::abs(mean(result.nll) - expected.mean_nll) < 1e-4);
  }
}

TEST_CASE("perplexity over 2,048 tokens of PG-19 book 860 equals the goldens", "[golden]") {
  const auto full = evaluate(policies_2048().ids, "full", DType::kFloat32, {});
  CHECK(std::abs(std::exp(mean(full.nll)) - 27.9887) < 1e-3);
  CHECK(policies_2048().cases.size() == 12);
  for (const PolicyCase& expected : policies_2048().cases) {
    models::EvaluateOptions options;
    options.budget = expected.budget;
    CAPTURE(expected.policy, expected.budget);
    const auto result = evaluate(policies_2048().ids, expected.policy, DType::kFloat32, options);
    const bool window = expected.policy.starts_with("window");
    CHECK(std::abs(mean(result.nll) - expected.mean_nll) < (window ? 1e-5 : 3e-3));
    if (window) CHECK(max_difference(result.nll, expected.nll) < 1e-3);
    CHECK(result.layers.front().kept_max == expected.budget);
  }
}

TEST_CASE("a shared prefix changes no bit at the real model's shapes", "[property]") {
  const std::vector<std::int64_t> ids(policies_2048().ids.begin(),
                                      policies_2048().ids.begin() + 1100);
  models::PrefixCache prefixes(std::int64_t{1} << 30);
  models::EvaluateOptions shared;
  shared.prefixes = &prefixes;
  evaluate(ids, "full", DType::kFloat32, shared);
  for (const auto& [policy, budget] : {std::pair{"tova", 200}, std::pair{"h2o", 512}}) {
    models::EvaluateOptions alone;
    alone.budget = shared.budget = budget;
    const auto a = evaluate(ids, policy, DType::kFloat32, alone);
    const auto b = evaluate(ids, policy, DType::kFloat32, shared);
    CAPTURE(policy, budget);
    CHECK(b.shared_tokens == budget / 64 * 64);
    CHECK(a.nll == b.nll);
    CHECK(a.kv_bytes == b.kv_bytes);
  }
  // However few rows the text ends with, after a prefix that ends anywhere.
  for (const std::int64_t length : {513, 515, 519, 577, 582}) {
    for (const std::int64_t budget : {std::int64_t{448}, std::int64_t{500}, length - 2}) {
      const std::vector<std::int64_t> text(ids.begin(), ids.begin() + length);
      models::EvaluateOptions alone;
      alone.budget = shared.budget = budget;
      CAPTURE(length, budget);
      CHECK(evaluate(text, "tova", DType::kFloat32, alone).nll ==
            evaluate(text, "tova", DType::kFloat32, shared).nll);
    }
  }
}

}  // namespace
}  // namespace lethe::test
