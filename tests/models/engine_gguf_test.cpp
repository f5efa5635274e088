// SPDX-License-Identifier: Apache-2.0
// The families in GGUF files: the golden logits of their folders.
#include <cmath>
#include <filesystem>

#include "models/checkpoint/safetensors.h"
#include "tests/models/engine_support.h"
#include "tests/models/file_support.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::test {
namespace {

using models::DType;

std::vector<double> logits_of(const models::Checkpoint& checkpoint,
                              const std::vector<std::int64_t>& ids) {
  const auto model = models::load_model(checkpoint, DType::kFloat32);
  models::EvaluateOptions options;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    options.logit_rows.push_back(static_cast<std::int64_t>(i));
  }
  const auto result = model->evaluate(ids, policies::known_policies().resolve("full"), options);
  std::vector<double> out;
  for (const auto& row : result.logits) out.insert(out.end(), row.begin(), row.end());
  return out;
}

std::unique_ptr<models::Checkpoint> gguf_of(const std::string& name) {
  return models::open_checkpoint(golden("gguf/families/" + name + ".gguf"));
}

TEST_CASE("a GGUF file of every family gives the logits of transformers", "[golden]") {
  for (const std::string name : {"qwen2", "qwen3", "phi3", "gpt2", "gpt_neox", "llama_rope_linear",
                                 "llama_rope_llama3", "llama_bias_headdim"}) {
    CAPTURE(name);
    const models::SafetensorsFile file(golden("tiny/" + name + "/golden.safetensors"));
    const auto checkpoint = gguf_of(name);
    const double tolerance = checkpoint->config().tied_embeddings ? 2e-4 : 1e-4;
    CHECK(max_difference(logits_of(*checkpoint, file.read_i64("input_ids")),
                         file.read_f64("logits")) < tolerance);
  }
}

TEST_CASE("Gemma 2 from GGUF is the folder whose scores are scaled by a head's width",
          "[property]") {
  const TempDir folder;
  const auto from = golden("tiny/gemma2");
  std::filesystem::copy_file(from / "model.safetensors", folder / "model.safetensors");
  std::string config = bytes_of(from / "config.json");
  replace_once(config, "\"query_pre_attn_scalar\": 16", "\"query_pre_attn_scalar\":  8");
  write_bytes(folder / "config.json", config);
  const auto ids = random_ids(60, 51);
  CHECK(max_difference(logits_of(*gguf_of("gemma2"), ids),
                       logits_of(*models::open_checkpoint(folder.path()), ids)) < 1e-4);
}

}  // namespace
}  // namespace lethe::test
