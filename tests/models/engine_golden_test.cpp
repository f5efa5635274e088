// SPDX-License-Identifier: Apache-2.0
// Golden parity of the engine on SmolLM2-135M: dense NLL and logits, and the policies, at the
// tolerances of tests/golden/README.md.
#include <cmath>

#include "harness/base/json.h"
#include "models/checkpoint/safetensors.h"
#include "tests/models/engine_support.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::test {
namespace {

using models::DType;
using models::Path;

const models::Model& smollm2(DType dtype) {
  static std::map<DType, std::unique_ptr<models::Model>> loaded;
  auto& model = loaded[dtype];
  if (!model) model = models::load_model(*models::open_checkpoint(default_model()), dtype);
  return *model;
}

const models::SafetensorsFile& dense_file() {
  static const models::SafetensorsFile file(golden("dense/smollm2_nll.safetensors"));
  return file;
}

models::EvaluateResult evaluate(const std::vector<std::int64_t>& ids, const std::string& policy,
                                DType dtype, models::EvaluateOptions options) {
  return smollm2(dtype).evaluate(ids, policies::builtin_registry().resolve(policy), options);
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

// Rows of a [layers, n] or [layers, heads, n] array as lists per (layer, head).
template <typename T>
std::map<Recorder::Key, std::vector<T>> per_head(const std::vector<T>& flat,
                                                 const std::vector<std::int64_t>& shape) {
  std::map<Recorder::Key, std::vector<T>> out;
  const std::int64_t heads = shape.size() == 3 ? shape[1] : 1, n = shape.back();
  auto it = flat.begin();
  for (int layer = 0; layer < shape[0]; ++layer) {
    for (int head = 0; head < heads; ++head, it += n) {
      out[{layer, shape.size() == 3 ? head : -1}] = std::vector<T>(it, it + n);
    }
  }
  return out;
}

struct Policies384 {
  std::vector<std::int64_t> ids;
  std::vector<PolicyCase> cases;
};

const Policies384& policies_384() {
  static const Policies384 loaded = [] {
    Policies384 out;
    const auto document = read_json_file(golden("policies/smollm2_384.json"), ErrorKind::kData);
    out.ids = json::value_to<std::vector<std::int64_t>>(document.at("input_ids"));
    for (const auto& value : document.at("cases").as_array()) {
      PolicyCase c;
      c.policy = json::value_to<std::string>(value.at("policy"));
      if (!is_known_policy(c.policy)) continue;
      c.budget = value.at("k").as_int64();
      c.mean_nll = value.at("mean_nll").to_number<double>();
      const models::SafetensorsFile file(
          golden("policies/" + json::value_to<std::string>(value.at("file"))));
      c.nll = file.read_f64(c.policy + ".nll");
      c.victims = per_head(file.read_i64(c.policy + ".victims"), file.shape(c.policy + ".victims"));
      c.kept = per_head(file.read_i64(c.policy + ".kept"), file.shape(c.policy + ".kept"));
      if (file.has(c.policy + ".margin_rel")) {
        c.margin_rel =
            per_head(file.read_f64(c.policy + ".margin_rel"), file.shape(c.policy + ".margin_rel"));
      }
      out.cases.push_back(std::move(c));
    }
    return out;
  }();
  return loaded;
}

TEST_CASE("every policy equals its golden victims on SmolLM2: scan, float64", "[golden]") {
  CHECK(policies_384().cases.size() == 18);
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
  const auto document = read_json_file(golden("policies/smollm2_ppl2048.json"), ErrorKind::kData);
  const auto ids = json::value_to<std::vector<std::int64_t>>(document.at("input_ids"));
  const models::SafetensorsFile file(golden("policies/smollm2_ppl2048.safetensors"));
  const auto full = evaluate(ids, "full", DType::kFloat32, {});
  CHECK(std::abs(mean(full.nll) - document.at("full_mean_nll").to_number<double>()) < 1e-5);
  for (const auto& value : document.at("cases").as_array()) {
    const auto policy = json::value_to<std::string>(value.at("policy"));
    models::EvaluateOptions options;
    options.budget = value.at("k").as_int64();
    CAPTURE(policy, *options.budget);
    const auto result = evaluate(ids, policy, DType::kFloat32, options);
    const auto expected = file.read_f64(policy + ".k" + std::to_string(*options.budget) + ".nll");
    const bool window = policy.starts_with("window");
    CHECK(std::abs(mean(result.nll) - mean(expected)) < (window ? 1e-5 : 3e-3));
    if (window) CHECK(max_difference(result.nll, expected) < 1e-3);
    CHECK(result.layers.front().kept_max == *options.budget);
  }
}

}  // namespace
}  // namespace lethe::test
