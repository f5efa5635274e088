// SPDX-License-Identifier: Apache-2.0
// Every decoder family on its tiny checkpoint: golden logits on all paths, both backends, and
// policies; scaled rotary embedding; what is refused.
#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include "models/checkpoint/safetensors.h"
#include "models/transformer/rotary.h"
#include "tests/models/engine_support.h"
#include "tests/models/file_support.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::test {
namespace {

using models::DType;
using models::Path;

const std::vector<std::string> kFamilies = {"qwen2",    "qwen3", "phi3",  "gpt2",
                                            "gpt_neox", "opt",   "gemma2"};
const std::vector<std::string> kScalings = {"llama_rope_linear", "llama_rope_dynamic",
                                            "llama_rope_llama3", "llama_rope_yarn"};
const models::LoadOptions kTensors{"cpu", models::Backend::kTensor};

struct Golden {
  std::vector<std::int64_t> ids;
  std::vector<double> logits;
  double tolerance;
};

// Logits of tied models reach 20 and more.
Golden golden_of(const std::string& name, const models::ModelConfig& config) {
  const models::SafetensorsFile file(golden("tiny/" + name + "/golden.safetensors"));
  return {file.read_i64("input_ids"), file.read_f64("logits"),
          config.tied_embeddings ? 2e-4 : 1e-4};
}

std::vector<double> all_logits(const models::Model& model, const std::vector<std::int64_t>& ids,
                               Path path) {
  models::EvaluateOptions options;
  options.path = path;
  options.block_rows = 24;  // 64 tokens in uneven blocks and chunks
  options.chunk_tokens = 40;
  options.logit_rows.resize(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    options.logit_rows[i] = static_cast<std::int64_t>(i);
  }
  const auto result = model.evaluate(ids, policies::known_policies().resolve("full"), options);
  std::vector<double> out;
  for (const auto& row : result.logits) out.insert(out.end(), row.begin(), row.end());
  return out;
}

/// A tiny checkpoint with its configuration as transformers 5 writes it.
std::unique_ptr<models::Checkpoint> with_new_config(const TempDir& folder,
                                                    const std::string& name) {
  const auto from = golden("tiny/" + name);
  std::filesystem::copy_file(from / "model.safetensors", folder.path() / "model.safetensors");
  std::filesystem::copy_file(from / "config_v5.json", folder.path() / "config.json");
  return models::open_checkpoint(folder.path());
}

TEST_CASE("every family gives the logits of transformers, every path", "[golden]") {
  auto names = kFamilies;
  names.insert(names.end(), kScalings.begin(), kScalings.end());
  names.push_back("llama_mha_sharded");
  for (const std::string& name : names) {
    CAPTURE(name);
    for (const DType dtype : {DType::kFloat32, DType::kFloat64}) {
      for (const models::LoadOptions& where : {models::LoadOptions{}, kTensors}) {
        const auto& model = tiny_model(name, dtype, where);
        const Golden expected = golden_of(name, model.config());
        for (const Path path : {Path::kScan, Path::kStep, Path::kDense}) {
          CAPTURE(to_string(dtype), static_cast<int>(where.backend), static_cast<int>(path));
          CHECK(max_difference(all_logits(model, expected.ids, path), expected.logits) <
                expected.tolerance);
        }
      }
    }
  }
}

TEST_CASE("both spellings of a configuration give the same model", "[golden]") {
  auto names = kFamilies;
  names.insert(names.end(), kScalings.begin(), kScalings.end());
  for (const std::string& name : names) {
    CAPTURE(name);
    const TempDir folder;
    const auto model = models::load_model(*with_new_config(folder, name), DType::kFloat32);
    const Golden expected = golden_of(name, model->config());
    CHECK(max_difference(all_logits(*model, expected.ids, Path::kScan), expected.logits) <
          expected.tolerance);
  }
}

TEST_CASE("every family evicts alike on both paths and both backends", "[property]") {
  auto names = kFamilies;
  names.push_back("llama_rope_yarn");
  names.push_back("llama_rope_dynamic");
  for (const std::string& name : names) {
    for (const std::string policy :
         {"window:sinks=2", "tova", "tova:scope=head", "h2o", "l2", "snapkv:kernel=3,window=4"}) {
      RandomStream random(61);
      const auto ids = random_ids(90, 62);
      models::EvaluateOptions options;
      options.budget = 13;
      options.block_rows = 7;
      options.chunk_tokens = 33;
      options.schedule =
          policy.starts_with("snapkv") ? random_schedule(random, policy, 90) : policies::Schedule();
      CAPTURE(name, policy, options.schedule.text(), options.schedule.prompt);
      const Run scan = run(tiny_model(name, DType::kFloat64), ids, policy, options);
      const Run tensors = run(tiny_model(name, DType::kFloat64, kTensors), ids, policy, options);
      options.path = Path::kStep;
      const Run step = run(tiny_model(name, DType::kFloat64), ids, policy, options);
      check_same(step, scan, 1e-9);
      check_same(scan, tensors, 1e-9);
      CHECK_FALSE(scan.recorder.victims.empty());
    }
  }
}

TEST_CASE("the dense path equals the scan that evicts nothing", "[property]") {
  auto names = kFamilies;
  names.insert(names.end(), kScalings.begin(), kScalings.end());
  for (const std::string& name : names) {
    const auto ids = random_ids(100, 63);
    models::EvaluateOptions options;
    const auto scan = run(tiny_model(name, DType::kFloat64), ids, "full", options).result;
    options.path = Path::kDense;
    const auto dense = run(tiny_model(name, DType::kFloat64), ids, "full", options).result;
    CAPTURE(name);
    CHECK(max_difference(dense.nll, scan.nll) < 1e-9);
  }
}

TEST_CASE("bfloat16 stays near float32 in every family", "[property]") {
  const auto ids = random_ids(100, 64);
  for (const std::string& name : kFamilies) {
    const auto exact = run(tiny_model(name, DType::kFloat32), ids, "full", {}).result;
    for (const models::LoadOptions& where : {models::LoadOptions{}, kTensors}) {
      const auto rounded = run(tiny_model(name, DType::kBFloat16, where), ids, "full", {}).result;
      CAPTURE(name, mean(rounded.nll), mean(exact.nll));
      // Random weights with logits of 20: single tokens move by half a nat.
      CHECK(std::abs(mean(rounded.nll) - mean(exact.nll)) < 0.1);
      CHECK(max_difference(rounded.nll, exact.nll) > 1e-4);
    }
  }
}

TEST_CASE("layers with and without a window each keep what they see", "[property]") {
  const auto& model = tiny_model("gemma2", DType::kFloat64);
  const auto ids = random_ids(90, 65);
  models::EvaluateOptions options;
  const Run full = run(model, ids, "full", options);
  REQUIRE(full.result.layers.size() == 3);
  CHECK(full.result.layers[0].kept_max == 15);  // a row sees itself and 15 tokens
  CHECK(full.result.layers[1].kept_max == 90);
  CHECK(full.result.layers[2].kept_max == 15);
  CHECK(full.result.layers[0].lost == 75);
  CHECK(full.result.layers[1].lost == 0);
  options.budget = 40;
  const Run tova = run(model, ids, "tova", options);
  CHECK(tova.result.layers[0].evicted == 0);
  CHECK(tova.result.layers[1].evicted == 50);
  CHECK(tova.result.layers[1].kept_max == 40);
  // The oracle looks at each layer as that layer sees.
  const Run oracle = run(model, ids, "h2o-oracle", options);
  CHECK(oracle.result.layers[1].evicted > 0);
}

}  // namespace
}  // namespace lethe::test
