// SPDX-License-Identifier: Apache-2.0
// One model in two forms of checkpoint, and what stands between the layers.
#include <cmath>
#include <fstream>

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include "harness/base/json.h"
#include "models/checkpoint/safetensors.h"
#include "models/transformer/decoder.h"
#include "tests/models/engine_support.h"
#include "tests/models/file_support.h"
#include "tests/models/smollm2_cases.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::test {
namespace {

using models::DType;

/// Some tensors of a checkpoint, dequantised, as a safetensors file.
void write_shard(const std::filesystem::path& path, const models::Checkpoint& from,
                 const std::vector<models::TensorInfo>& tensors) {
  json::object header;
  std::int64_t at = 0;
  for (const auto& tensor : tensors) {
    const std::int64_t end = at + 4 * tensor.elements();
    header[tensor.name] = {{"dtype", "F32"},
                           {"shape", json::array(tensor.shape.begin(), tensor.shape.end())},
                           {"data_offsets", {at, end}}};
    at = end;
  }
  std::string text = json::serialize(header);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const std::uint64_t length = text.size();
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(&length), sizeof length);
  file.write(text.data(), static_cast<std::streamsize>(text.size()));
  std::vector<float> values;
  for (const auto& tensor : tensors) {
    values.resize(static_cast<std::size_t>(tensor.elements()));
    from.read(tensor.name, values);
    file.write(reinterpret_cast<const char*>(values.data()),
               static_cast<std::streamsize>(values.size() * sizeof(float)));
  }
  file.close();
  REQUIRE(file.good());
}

TEST_CASE("SmolLM2 from a Hugging Face folder is SmolLM2 from GGUF, bit for bit", "[golden]") {
  const auto gguf = models::open_checkpoint(default_model());
  const TempDir folder;
  const auto& all = gguf->tensors();
  const std::size_t half = all.size() / 2;
  json::object places;
  const std::vector<models::TensorInfo> parts[] = {
      {all.begin(), all.begin() + static_cast<std::ptrdiff_t>(half)},
      {all.begin() + static_cast<std::ptrdiff_t>(half), all.end()}};
  for (std::size_t i = 0; i < 2; ++i) {
    const std::string name = "model-0000" + std::to_string(i + 1) + "-of-00002.safetensors";
    write_shard(folder / name, *gguf, parts[i]);
    for (const auto& tensor : parts[i]) places[tensor.name] = name;
  }
  write_bytes(folder / "model.safetensors.index.json",
              json::serialize(json::object{{"weight_map", std::move(places)}}));
  const auto& config = gguf->config();
  write_bytes(folder / "config.json",
              json::serialize(json::object{{"model_type", "llama"},
                                           {"vocab_size", config.vocab_size},
                                           {"hidden_size", config.hidden_size},
                                           {"intermediate_size", config.intermediate_size},
                                           {"num_hidden_layers", config.n_layers},
                                           {"num_attention_heads", config.n_heads},
                                           {"num_key_value_heads", config.n_kv_heads},
                                           {"max_position_embeddings", config.trained_length},
                                           {"rms_norm_eps", config.norm_eps},
                                           {"rope_theta", config.rope_theta},
                                           {"tie_word_embeddings", config.tied_embeddings}}));
  const auto hf = models::open_checkpoint(folder.path());
  CHECK(hf->config() == config);
  const std::vector<std::int64_t> ids(policies_2048().ids.begin(),
                                      policies_2048().ids.begin() + 200);
  models::EvaluateOptions how;
  how.logit_rows = {0, 100, 199};
  const auto evaluate = [&](const models::Checkpoint& checkpoint) {
    const auto model = models::load_model(checkpoint, DType::kFloat32);
    return model->evaluate(ids, policies::known_policies().resolve("full"), how);
  };
  const auto found = evaluate(*hf), expected = evaluate(*gguf);
  CHECK(found.nll == expected.nll);
  CHECK(found.logits == expected.logits);
}

/// Dense causal attention by its definition, [tokens, heads * head_dim].
at::Tensor attend(const models::Decoder& decoder, std::int64_t layer, const at::Tensor& qkv) {
  const auto& config = decoder.config();
  const std::int64_t tokens = qkv.size(0), d = config.head_dim, kv = config.n_kv_heads;
  const std::int64_t group = config.n_heads / kv;
  const at::Tensor heads = qkv.view({tokens, -1, d}).transpose(0, 1);
  const at::Tensor q = heads.narrow(0, 0, config.n_heads);
  const at::Tensor k = heads.narrow(0, config.n_heads, kv).repeat_interleave(group, 0);
  const at::Tensor v = heads.narrow(0, config.n_heads + kv, kv).repeat_interleave(group, 0);
  at::Tensor scores = q.matmul(k.transpose(1, 2)) / std::sqrt(config.attention_scalar());
  if (config.attention_softcap) {
    scores = (scores / *config.attention_softcap).tanh() * *config.attention_softcap;
  }
  at::Tensor seen = at::ones({tokens, tokens}, at::kBool).tril();
  if (const auto window = config.window_of_layer(layer)) seen = seen.triu(1 - *window);
  scores.masked_fill_(seen.logical_not(), -INFINITY);
  return scores.softmax(-1).matmul(v).transpose(0, 1).reshape({tokens, -1}).contiguous();
}

TEST_CASE("what stands between the layers is what transformers has there", "[golden]") {
  const c10::InferenceMode no_gradients;
  for (const std::string name :
       {"llama_mha", "llama_gqa_tied", "llama_bias_headdim", "llama_rope_yarn", "mistral_sw16",
        "qwen2", "qwen3", "phi3", "gemma2", "gpt2", "gpt_neox", "opt"}) {
    CAPTURE(name);
    const auto checkpoint = models::open_checkpoint(golden("tiny/" + name));
    const models::Decoder decoder(*checkpoint, DType::kFloat32, {}, {});
    const models::SafetensorsFile file(golden("tiny/" + name + "/golden.safetensors"));
    const auto ids = file.read_i64("input_ids");
    const auto count = static_cast<std::int64_t>(ids.size());
    at::Tensor hidden = decoder.embed(ids, 0);
    const auto rotary = decoder.rotary({models::RopeAngles::kHf32, count}, 0, count);
    // The last state of transformers stands behind the final norm: the logits are its test.
    for (std::int64_t layer = 0; layer < decoder.config().n_layers; ++layer) {
      const auto expected = file.read_f64("hidden_states." + std::to_string(layer));
      const at::Tensor now = hidden.to(at::kDouble).contiguous();
      const std::vector<double> found(now.const_data_ptr<double>(),
                                      now.const_data_ptr<double>() + now.numel());
      CAPTURE(layer);
      CHECK(max_difference(found, expected) < 1e-4);
      const at::Tensor qkv = decoder.project_qkv(layer, hidden, rotary);
      decoder.finish_layer(layer, hidden, attend(decoder, layer, qkv));
    }
  }
}

}  // namespace
}  // namespace lethe::test
