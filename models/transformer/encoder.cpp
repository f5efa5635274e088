// SPDX-License-Identifier: Apache-2.0
#include "models/transformer/encoder.h"

#include <algorithm>
#include <optional>
#include <string>

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include "harness/base/error.h"
#include "models/transformer/tensor_functions.h"
#include "models/transformer/weights.h"

namespace lethe::models {
namespace {

using Values = std::span<const std::int64_t>;

at::Tensor tensor_of(Values values) {
  return at::tensor(at::ArrayRef<std::int64_t>(values.data(), values.size()), at::kLong);
}

std::vector<float> floats_of(const at::Tensor& tensor) {
  const at::Tensor floats = tensor.to(at::kFloat).contiguous();
  const float* data = floats.const_data_ptr<float>();
  return {data, data + floats.numel()};
}

// One list of a text: as long as the ids (or left out), and every value below `end`.
void check_values(const char* what, Values values, std::size_t length, std::int64_t end) {
  if (values.size() != length && !values.empty()) {
    throw Error(ErrorKind::kData, std::string("expected ") + what + " for each of " +
                                      std::to_string(length) + " tokens, found " +
                                      std::to_string(values.size()));
  }
  for (const std::int64_t value : values) {
    if (value < 0 || value >= end) {
      throw Error(ErrorKind::kData, std::string("expected ") + what + " from 0 to " +
                                        std::to_string(end - 1) + ", found " +
                                        std::to_string(value));
    }
  }
}

class BertEncoder final : public Encoder {
 public:
  BertEncoder(const Checkpoint& checkpoint, DType dtype)
      : config_(checkpoint.config()),
        precision_(precision_of(dtype)),
        weights_(load_encoder_weights(checkpoint, dtype)) {}

  const ModelConfig& config() const override { return config_; }

  std::vector<float> hidden_states(const EncoderText& text) const override {
    const c10::InferenceMode no_gradients;
    return floats_of(encoded(text));
  }

  std::vector<float> embedding(const EncoderText& text) const override {
    const c10::InferenceMode no_gradients;
    at::Tensor hidden = encoded(text);
    if (!text.attention_mask.empty()) {
      hidden = hidden.index({tensor_of(text.attention_mask).to(at::kBool)});
    }
    const at::Tensor mean = hidden.mean(0);
    return floats_of(mean / mean.norm());
  }

 private:
  void check(const EncoderText& text) const {
    const std::size_t length = text.ids.size();
    if (length == 0 || static_cast<std::int64_t>(length) > config_.trained_length) {
      throw Error(ErrorKind::kData,
                  "expected a text of 1 to " + std::to_string(config_.trained_length) +
                      " tokens (the positions of the encoder), found " + std::to_string(length));
    }
    check_values("token ids", text.ids, length, config_.vocab_size);
    check_values("token types", text.token_types, length, config_.token_types);
    check_values("mask values", text.attention_mask, length, 2);
    const auto& mask = text.attention_mask;
    if (!mask.empty() && std::ranges::count(mask, 1) == 0) {
      throw Error(ErrorKind::kData, "expected a token that the mask lets through, found none");
    }
  }

  // Last hidden states, [tokens, hidden], in the compute type.
  at::Tensor encoded(const EncoderText& text) const {
    check(text);
    const auto tokens = static_cast<std::int64_t>(text.ids.size());
    const at::Tensor types =
        text.token_types.empty() ? at::zeros({tokens}, at::kLong) : tensor_of(text.token_types);
    at::Tensor hidden = rows(weights_.embedding, tensor_of(text.ids))
                            .add_(rows(weights_.token_types, types))
                            .add_(rows(weights_.positions, at::arange(tokens, at::kLong)));
    hidden = normed(hidden, weights_.embedding_norm);
    std::optional<at::Tensor> mask;  // [1, tokens]: every row sees the same columns
    if (!text.attention_mask.empty()) {
      mask = tensor_of(text.attention_mask).to(at::kBool).unsqueeze(0);
    }
    for (const LayerWeights& w : weights_.layers) {
      const at::Tensor attended = attend(product(hidden, w.qkv, w.qkv_bias), mask);
      hidden = normed(hidden + product(attended, w.out, w.out_bias), w.attention_norm);
      const at::Tensor inner =
          activated(product(hidden, w.up, w.up_bias), config_.activation, config_.gated_mlp);
      hidden = normed(hidden + product(inner, w.down, w.down_bias), w.mlp_norm);
    }
    return hidden;
  }

  // q | k | v of every token -> [tokens, hidden].
  at::Tensor attend(const at::Tensor& qkv, const std::optional<at::Tensor>& mask) const {
    const std::int64_t tokens = qkv.size(0);
    const auto parts = qkv.view({tokens, 3, config_.n_heads, config_.head_dim})
                           .permute({1, 2, 0, 3})
                           .unsqueeze(1)
                           .unbind(0);  // each [1, heads, tokens, head_dim]
    return at::scaled_dot_product_attention(parts[0], parts[1], parts[2], mask)
        .squeeze(0)
        .transpose(0, 1)
        .reshape({tokens, config_.hidden_size});
  }

  at::Tensor rows(const at::Tensor& table, const at::Tensor& index) const {
    return table.index_select(0, index).to(precision_.compute);
  }
  at::Tensor product(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) const {
    return projection(x.to(precision_.product), weight, bias, precision_).to(precision_.compute);
  }
  at::Tensor normed(const at::Tensor& x, const Norm& norm) const {
    return layer_normed(x, norm, config_.norm_eps);
  }

  ModelConfig config_;
  Precision precision_;
  EncoderWeights weights_;
};

}  // namespace

std::unique_ptr<Encoder> load_encoder(const Checkpoint& checkpoint, DType dtype) {
  const c10::InferenceMode no_gradients;
  return std::make_unique<BertEncoder>(checkpoint, dtype);
}

}  // namespace lethe::models
