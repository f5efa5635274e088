// SPDX-License-Identifier: Apache-2.0
#include "models/transformer/weights.h"

#include <span>
#include <string>

#include <ATen/ATen.h>

#include "harness/base/error.h"

namespace lethe::models {
namespace {

class Reader {
 public:
  Reader(const Checkpoint& checkpoint, at::ScalarType type)
      : checkpoint_(checkpoint), type_(type) {}

  at::Tensor read(const std::string& name, std::vector<std::int64_t> shape) const {
    checkpoint_.expect_shape(name, shape);
    at::Tensor tensor = at::empty(shape, at::kFloat);
    checkpoint_.read(name,
                     {tensor.mutable_data_ptr<float>(), static_cast<std::size_t>(tensor.numel())});
    return tensor.to(type_);
  }

  /// Several matrices with one input, stacked: one wide product instead of several narrow ones.
  at::Tensor stack(
      const std::vector<std::pair<std::string, std::vector<std::int64_t>>>& parts) const {
    std::vector<at::Tensor> tensors;
    for (const auto& [name, shape] : parts) tensors.push_back(read(name, shape));
    return at::cat(tensors, 0);
  }

 private:
  const Checkpoint& checkpoint_;
  at::ScalarType type_;
};

}  // namespace

Precision precision_of(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
      return {at::kFloat, at::kFloat};
    case DType::kBFloat16:
      return {at::kBFloat16, at::kFloat};
    case DType::kFloat64:
      return {at::kDouble, at::kDouble};
  }
  throw Error(ErrorKind::kInternal, "unknown dtype");
}

DecoderWeights load_decoder_weights(const Checkpoint& checkpoint, DType dtype) {
  const ModelConfig& c = checkpoint.config();
  if (c.architecture != "llama" && c.architecture != "mistral") {
    throw Error(ErrorKind::kModel, checkpoint.label() + ": architecture '" + c.architecture +
                                       "' has no decoder here; known: llama, mistral");
  }
  const Precision precision = precision_of(dtype);
  const Reader matrices(checkpoint, precision.product);
  const Reader vectors(checkpoint, precision.compute);
  const std::int64_t q = c.n_heads * c.head_dim, kv = c.n_kv_heads * c.head_dim;
  const std::int64_t h = c.hidden_size, f = c.intermediate_size;

  DecoderWeights weights;
  weights.embedding = matrices.read("model.embed_tokens.weight", {c.vocab_size, h});
  for (std::int64_t i = 0; i < c.n_layers; ++i) {
    const std::string layer = "model.layers." + std::to_string(i) + ".";
    const std::string attention = layer + "self_attn.", mlp = layer + "mlp.";
    LayerWeights w;
    w.attention_norm = vectors.read(layer + "input_layernorm.weight", {h});
    w.qkv = matrices.stack({{attention + "q_proj.weight", {q, h}},
                            {attention + "k_proj.weight", {kv, h}},
                            {attention + "v_proj.weight", {kv, h}}});
    w.out = matrices.read(attention + "o_proj.weight", {h, q});
    if (c.attention_bias) {
      w.qkv_bias = vectors.stack({{attention + "q_proj.bias", {q}},
                                  {attention + "k_proj.bias", {kv}},
                                  {attention + "v_proj.bias", {kv}}});
      w.out_bias = vectors.read(attention + "o_proj.bias", {h});
    }
    w.mlp_norm = vectors.read(layer + "post_attention_layernorm.weight", {h});
    w.gate_up =
        matrices.stack({{mlp + "gate_proj.weight", {f, h}}, {mlp + "up_proj.weight", {f, h}}});
    w.down = matrices.read(mlp + "down_proj.weight", {h, f});
    if (c.mlp_bias) {
      w.gate_up_bias = vectors.stack({{mlp + "gate_proj.bias", {f}}, {mlp + "up_proj.bias", {f}}});
      w.down_bias = vectors.read(mlp + "down_proj.bias", {h});
    }
    weights.layers.push_back(std::move(w));
  }
  weights.final_norm = vectors.read("model.norm.weight", {h});
  weights.lm_head =
      c.tied_embeddings ? weights.embedding : matrices.read("lm_head.weight", {c.vocab_size, h});
  return weights;
}

}  // namespace lethe::models
