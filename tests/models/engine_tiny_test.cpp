// SPDX-License-Identifier: Apache-2.0
// Golden parity of the engine on the tiny checkpoints: dense logits, and every policy on both
// paths.
#include "harness/base/json.h"
#include "models/checkpoint/safetensors.h"
#include "tests/models/engine_support.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::test {
namespace {

using models::DType;
using models::Path;

std::vector<double> widened(const std::vector<std::vector<float>>& rows) {
  std::vector<double> out;
  for (const auto& row : rows) out.insert(out.end(), row.begin(), row.end());
  return out;
}

void check_logits(const models::Checkpoint& checkpoint, const std::vector<std::int64_t>& ids,
                  const std::vector<double>& expected, double tolerance) {
  const auto full = policies::known_policies().resolve("full");
  for (const DType dtype : {DType::kFloat32, DType::kFloat64}) {
    const auto model = models::load_model(checkpoint, dtype);
    for (const Path path : {Path::kScan, Path::kStep}) {
      models::EvaluateOptions options;
      options.path = path;
      options.block_rows = 24;  // 64 tokens in uneven blocks and chunks
      options.chunk_tokens = 40;
      for (std::size_t i = 0; i < ids.size(); ++i)
        options.logit_rows.push_back(static_cast<std::int64_t>(i));
      const auto result = model->evaluate(ids, full, options);
      CAPTURE(static_cast<int>(dtype), static_cast<int>(path));
      CHECK(max_difference(widened(result.logits), expected) < tolerance);
    }
  }
}

TEST_CASE("tiny Llama checkpoints give the logits of transformers", "[golden]") {
  const std::string name = GENERATE("llama_mha", "llama_gqa_tied", "llama_bias_headdim",
                                    "llama_mha_bf16", "llama_mha_fp16");
  CAPTURE(name);
  const auto checkpoint = models::open_checkpoint(golden("tiny/" + name));
  const models::SafetensorsFile file(golden("tiny/" + name + "/golden.safetensors"));
  check_logits(*checkpoint, file.read_i64("input_ids"), file.read_f64("logits"),
               name == "llama_gqa_tied" ? 2e-4 : 1e-4);
}

TEST_CASE("tiny GGUF files give the logits of their dequantised weights", "[golden]") {
  const std::string tag = GENERATE("f32", "f16", "q8_0", "mixed");
  CAPTURE(tag);
  const auto checkpoint = models::open_checkpoint(golden("gguf/tiny_llama_" + tag + ".gguf"));
  const models::SafetensorsFile file(golden("gguf/tiny_llama_golden.safetensors"));
  check_logits(*checkpoint, file.read_i64("input_ids"), file.read_f64(tag + ".logits"), 1e-4);
}

// victims and kept are lists of numbers per layer, or per layer and KV head.
template <typename T>
std::map<Recorder::Key, std::vector<T>> per_head(const json::value& value) {
  std::map<Recorder::Key, std::vector<T>> out;
  int layer = 0;
  for (const auto& item : value.as_array()) {
    const bool heads = !item.as_array().empty() && item.as_array().front().is_array();
    int head = heads ? 0 : -1;
    const json::array single{item};
    for (const auto& list : heads ? item.as_array() : single) {
      out[{layer, head++}] = json::value_to<std::vector<T>>(list);
    }
    ++layer;
  }
  return out;
}

PolicyCase tiny_case(const json::value& value) {
  PolicyCase c;
  c.policy = json::value_to<std::string>(value.at("policy"));
  c.budget = value.at("k").as_int64();
  c.nll = json::value_to<std::vector<double>>(value.at("nll"));
  c.mean_nll = value.at("mean_nll").to_number<double>();
  c.victims = per_head<std::int64_t>(value.at("victims"));
  c.kept = per_head<std::int64_t>(value.at("kept"));
  return c;
}

TEST_CASE("every policy equals its golden victims and NLL on the tiny model, both paths",
          "[golden]") {
  const auto document =
      read_json_file(golden("tiny_policies/llama_gqa_tied.json"), ErrorKind::kData);
  const auto ids = json::value_to<std::vector<std::int64_t>>(document.at("input_ids"));
  const auto checkpoint = models::open_checkpoint(golden("tiny/llama_gqa_tied"));
  const DType dtype = GENERATE(DType::kFloat64, DType::kFloat32);
  const Path path = GENERATE(Path::kScan, Path::kStep);
  const auto model = models::load_model(*checkpoint, dtype);
  int cases = 0;
  for (const auto& value : document.at("cases").as_array()) {
    const PolicyCase expected = tiny_case(value);
    ++cases;
    Recorder recorder;
    models::EvaluateOptions options;
    options.path = path;
    options.budget = expected.budget;
    options.block_rows = 7;  // evictions inside, at and across block and chunk borders
    options.chunk_tokens = 33;
    options.observer = &recorder;
    const auto result =
        model->evaluate(ids, policies::known_policies().resolve(expected.policy), options);
    CAPTURE(expected.policy, expected.budget, static_cast<int>(dtype), static_cast<int>(path));
    // The goldens say that float32 gives the same victims everywhere: no near tie is excused.
    const FlipReport flips = compare_victims(expected, recorder, 0.0);
    CHECK(flips.unexcused.empty());
    CHECK(recorder.kept_sets == expected.kept);
    CHECK(max_difference(result.nll, expected.nll) < (dtype == DType::kFloat64 ? 1e-9 : 1e-4));
    CHECK(recorder.nll == result.nll);
  }
  CHECK(cases == 22);
}

}  // namespace
}  // namespace lethe::test
