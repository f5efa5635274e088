// SPDX-License-Identifier: Apache-2.0
// The tensor backend on a CUDA device. Hidden, because few machines have one: run by
// `engine_tests "[.cuda]"`. require_device() stands first in each, before LibTorch looks for CUDA.
#include <cmath>
#include <iostream>

#include "tests/models/backend_checks.h"
#include "tests/models/smollm2_cases.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::test {
namespace {

using models::DType;

const models::LoadOptions kCuda = {"cuda:0"};

std::unique_ptr<models::Model> smollm2(DType dtype, const models::LoadOptions& where) {
  return models::load_model(*models::open_checkpoint(default_model()), dtype, {}, where);
}

TEST_CASE("cuda: the victims of the host's kernels", "[.cuda][property]") {
  models::require_device(kCuda.device);
  check_policies(kCuda, 4);
}

TEST_CASE("cuda: the golden victims of SmolLM2 in float32", "[.cuda][golden]") {
  models::require_device(kCuda.device);
  check_goldens(kCuda, 384);
}

TEST_CASE("cuda: dense attention and logits", "[.cuda][property]") {
  models::require_device(kCuda.device);
  check_dense(kCuda);
}

TEST_CASE("cuda: prefixes, states, peaked scores, bfloat16", "[.cuda][property]") {
  models::require_device(kCuda.device);
  check_prefixes(kCuda);
  check_resume(kCuda);
  check_peaked_scores(kCuda);
  check_bfloat16(kCuda);
}

TEST_CASE("cuda: NLL of 1,024 tokens of SmolLM2 near the host's", "[.cuda][golden]") {
  models::require_device(kCuda.device);
  const std::vector<std::int64_t> ids(policies_2048().ids.begin(),
                                      policies_2048().ids.begin() + 1024);
  const auto host = smollm2(DType::kFloat32, {}), single = smollm2(DType::kFloat32, kCuda),
             half = smollm2(DType::kBFloat16, kCuda);
  // As the goldens' tolerances: one flip at a near tie moves the mean by 1e-3.
  for (const auto& [policy, tolerance] :
       {std::pair{"full", 1e-5}, std::pair{"window", 1e-5}, std::pair{"tova", 3e-3}}) {
    models::EvaluateOptions options;
    if (std::string(policy) != "full") options.budget = 256;
    const double expected = mean(run(*host, ids, policy, options).result.nll);
    const double found = mean(run(*single, ids, policy, options).result.nll);
    const double in_half = mean(run(*half, ids, policy, options).result.nll);
    std::cout << policy << ": mean NLL " << expected << " on the host, " << found
              << " in float32 on the device, " << in_half << " in bfloat16\n";
    CAPTURE(policy);
    CHECK(std::abs(found - expected) < tolerance);
    CHECK(std::abs(in_half - expected) < 1e-2);
  }
}

TEST_CASE("cuda: every family's victims and losses are the host's", "[.cuda][property]") {
  models::require_device(kCuda.device);
  for (const std::string name : {"llama_gqa_tied", "mistral_sw16", "qwen2", "qwen3", "phi3", "gpt2",
                                 "gpt_neox", "opt", "gemma2", "llama_rope_yarn"}) {
    const auto& host = tiny_model(name, DType::kFloat64);
    const auto& device = tiny_model(name, DType::kFloat64, kCuda);
    const auto ids = random_ids(60, 41);
    for (const std::string policy : {"tova", "h2o", "l2"}) {
      models::EvaluateOptions options;
      options.budget = 12;
      const auto expected = run(host, ids, policy, options);
      const auto found = run(device, ids, policy, options);
      CAPTURE(name, policy);
      CHECK(found.recorder.victims == expected.recorder.victims);
      CHECK(max_difference(found.result.nll, expected.result.nll) < 1e-8);
    }
  }
}

TEST_CASE("cuda: tokens per second", "[.cuda][speed]") {
  models::require_device(kCuda.device);
  auto ids = policies_2048().ids;
  ids.insert(ids.end(), policies_2048().ids.begin(), policies_2048().ids.end());
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
    const auto model = smollm2(dtype, kCuda);
    for (const std::string policy : {"full", "window", "tova", "h2o"}) {
      models::EvaluateOptions options;
      if (policy != "full") options.budget = 256;
      run(*model, ids, policy, options);  // warm-up
      const double seconds = run(*model, ids, policy, options).result.seconds;
      std::cout << policy << " k=256, " << ids.size() << " tokens, " << to_string(dtype) << ": "
                << static_cast<double>(ids.size()) / seconds << " tokens/s\n";
    }
  }
}

}  // namespace
}  // namespace lethe::test
