// SPDX-License-Identifier: Apache-2.0
#include "models/transformer/encoder.h"

#include <algorithm>
#include <optional>
#include <string>

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include "harness/base/error.h"
#include "models/transformer/encoder_layers.h"
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
    const at::Tensor hidden = rows(weights_.embedding, tensor_of(text.ids))
                                  .add_(rows(weights_.token_types, types))
                                  .add_(rows(weights_.positions, at::arange(tokens, at::kLong)));
    std::optional<at::Tensor> mask;  // every row sees the same columns
    if (!text.attention_mask.empty()) {
      mask = tensor_of(text.attention_mask).to(at::kBool).view({1, 1, 1, tokens});
    }
    return encoder_layers(config_, precision_, weights_, {hidden.unsqueeze(0), mask}).squeeze(0);
  }

  at::Tensor rows(const at::Tensor& table, const at::Tensor& index) const {
    return table.index_select(0, index).to(precision_.compute);
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
