// SPDX-License-Identifier: Apache-2.0
#include "models/transformer/weights.h"

#include <span>
#include <string>
#include <utility>

#include <ATen/ATen.h>

#include "harness/base/error.h"
#include "harness/base/shared_memory.h"

namespace lethe::models {
namespace {

// One tensor of a checkpoint.
struct Part {
  std::string name;
  std::vector<std::int64_t> shape;
};

// A tensor of the decoder and what it is made of: several matrices with one input are stacked, for
// one wide product instead of several narrow ones.
struct Place {
  at::Tensor* tensor;
  at::ScalarType type;
  std::vector<Part> parts;

  std::vector<std::int64_t> shape() const {
    std::vector<std::int64_t> all = parts.front().shape;
    for (std::size_t i = 1; i < parts.size(); ++i) all.front() += parts[i].shape.front();
    return all;
  }
  std::size_t bytes() const {
    return static_cast<std::size_t>(c10::multiply_integers(shape())) * c10::elementSize(type);
  }
};

// Another order, or other parts: another number, so that no process takes the one for the other.
constexpr int kLayoutVersion = 1;

// Every tensor of `weights`, in the order in which they are read and stand in shared memory.
std::vector<Place> places(const ModelConfig& c, const Precision& precision,
                          DecoderWeights& weights) {
  const at::ScalarType matrix = precision.product, vector = precision.compute;
  const std::int64_t q = c.n_heads * c.head_dim, kv = c.n_kv_heads * c.head_dim;
  const std::int64_t h = c.hidden_size, f = c.intermediate_size;
  std::vector<Place> all;
  const auto add = [&](at::Tensor& tensor, at::ScalarType type, std::vector<Part> parts) {
    all.push_back({&tensor, type, std::move(parts)});
  };

  add(weights.embedding, matrix, {{"model.embed_tokens.weight", {c.vocab_size, h}}});
  weights.layers.resize(static_cast<std::size_t>(c.n_layers));
  for (std::int64_t i = 0; i < c.n_layers; ++i) {
    LayerWeights& w = weights.layers[static_cast<std::size_t>(i)];
    const std::string layer = "model.layers." + std::to_string(i) + ".";
    const std::string attention = layer + "self_attn.", mlp = layer + "mlp.";
    add(w.attention_norm, vector, {{layer + "input_layernorm.weight", {h}}});
    add(w.qkv, matrix,
        {{attention + "q_proj.weight", {q, h}},
         {attention + "k_proj.weight", {kv, h}},
         {attention + "v_proj.weight", {kv, h}}});
    add(w.out, matrix, {{attention + "o_proj.weight", {h, q}}});
    if (c.attention_bias) {
      add(w.qkv_bias, vector,
          {{attention + "q_proj.bias", {q}},
           {attention + "k_proj.bias", {kv}},
           {attention + "v_proj.bias", {kv}}});
    }
    if (c.attention_out_bias) add(w.out_bias, vector, {{attention + "o_proj.bias", {h}}});
    add(w.mlp_norm, vector, {{layer + "post_attention_layernorm.weight", {h}}});
    add(w.gate_up, matrix, {{mlp + "gate_proj.weight", {f, h}}, {mlp + "up_proj.weight", {f, h}}});
    add(w.down, matrix, {{mlp + "down_proj.weight", {h, f}}});
    if (c.mlp_bias) {
      add(w.gate_up_bias, vector, {{mlp + "gate_proj.bias", {f}}, {mlp + "up_proj.bias", {f}}});
      add(w.down_bias, vector, {{mlp + "down_proj.bias", {h}}});
    }
  }
  add(weights.final_norm, vector, {{"model.norm.weight", {h}}});
  if (!c.tied_embeddings) add(weights.lm_head, matrix, {{"lm_head.weight", {c.vocab_size, h}}});
  return all;
}

void read(const Checkpoint& checkpoint, const Part& part, const at::Tensor& floats) {
  checkpoint.read(part.name,
                  {floats.mutable_data_ptr<float>(), static_cast<std::size_t>(floats.numel())});
}

void fill(const Checkpoint& checkpoint, const Place& place, const at::Tensor& tensor) {
  std::int64_t row = 0;
  for (const Part& part : place.parts) {
    checkpoint.expect_shape(part.name, part.shape);
    const at::Tensor rows = tensor.narrow(0, row, part.shape.front());
    row += part.shape.front();
    if (place.type == at::kFloat) {
      read(checkpoint, part, rows);
    } else {
      const at::Tensor floats = at::empty(part.shape, at::kFloat);
      read(checkpoint, part, floats);
      rows.copy_(floats);
    }
  }
}

// Whether the tensors stand in memory that is shared.
bool share(const Checkpoint& checkpoint, const std::string& name, SharedBlobs& blobs,
           const std::vector<Place>& all) {
  constexpr std::size_t kAlignment = 64;  // LibTorch's own
  std::vector<std::size_t> offsets;
  std::size_t size = 0;
  for (const Place& place : all) {
    offsets.push_back(size);
    size += (place.bytes() + kAlignment - 1) / kAlignment * kAlignment;
  }
  const auto blob = blobs.get(name, size, [&](std::span<std::byte> bytes) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      fill(checkpoint, all[i],
           at::from_blob(bytes.data() + offsets[i], all[i].shape(), all[i].type));
    }
  });
  if (!blob) return false;
  for (std::size_t i = 0; i < all.size(); ++i) {
    *all[i].tensor = at::from_blob(
        const_cast<std::byte*>(blob.get()) + offsets[i], all[i].shape(), [blob](void*) {},
        all[i].type);
  }
  return true;
}

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

DecoderWeights load_decoder_weights(const Checkpoint& checkpoint, DType dtype,
                                    const WeightSharing& sharing, at::Device device) {
  const ModelConfig& config = checkpoint.config();
  require_supported(config, checkpoint.label());
  LETHE_ASSERT(!sharing.blobs || !sharing.weights_sha256.empty(),
               "shared weights need a hash that tells checkpoints apart");
  DecoderWeights weights;
  const auto all = places(config, precision_of(dtype), weights);
  const std::string name = "decoder " + std::to_string(kLayoutVersion) + " " + to_string(dtype) +
                           " " + sharing.weights_sha256;
  const bool may_share = sharing.blobs && device.is_cpu();
  if (!may_share || !share(checkpoint, name, *sharing.blobs, all)) {
    for (const Place& place : all) {
      const at::Tensor read = at::empty(place.shape(), place.type);
      fill(checkpoint, place, read);
      *place.tensor = read.to(device);
    }
  }
  if (config.tied_embeddings) weights.lm_head = weights.embedding;
  return weights;
}

}  // namespace lethe::models
