// SPDX-License-Identifier: Apache-2.0
#include "models/rmt/recurrent_encoder.h"

#include <utility>

#include <ATen/ATen.h>

#include "models/transformer/encoder_layers.h"
#include "models/transformer/tensor_functions.h"

namespace lethe::models {

RecurrentEncoder::RecurrentEncoder(const RecurrentLayout& layout, RecurrentWeights weights,
                                   const Precision& precision)
    : layout_(layout), weights_(std::move(weights)), precision_(precision) {}

at::Tensor RecurrentEncoder::initial(std::int64_t batch) const {
  const std::int64_t hidden = layout_.config().hidden_size;
  if (!weights_.memory.defined()) {
    return at::zeros({batch, 0, hidden}, weights_.encoder.embedding.options());
  }
  return weights_.memory.unsqueeze(0).expand({batch, -1, hidden});
}

RecurrentEncoder::Segment RecurrentEncoder::segment(const at::Tensor& ids, const at::Tensor& memory,
                                                    std::vector<at::Tensor>* attention) const {
  const std::int64_t batch = ids.size(0), text = ids.size(1), rows = memory.size(1),
                     hidden = layout_.config().hidden_size;
  const EncoderWeights& encoder = weights_.encoder;
  const auto special = [&](std::int64_t id) {
    return encoder.embedding.select(0, id).expand({batch, 1, hidden});
  };
  std::vector<at::Tensor> parts{special(layout_.recurrent().cls_id)};
  if (rows > 0) {
    parts.push_back(memory);
    parts.push_back(special(layout_.recurrent().sep_id));
  }
  // (at::embedding sums its gradient by rows; index_select's would be slower on a small table.)
  parts.push_back(at::embedding(encoder.embedding, ids));
  parts.push_back(special(layout_.recurrent().sep_id));
  const std::int64_t tokens = 1 + (rows > 0 ? rows + 1 : 0) + text + 1;
  const at::Tensor places =
      encoder.positions.narrow(0, 0, tokens) + encoder.token_types.select(0, 0);
  const at::Tensor embeddings = (at::cat(parts, 1) + places).to(precision_.compute);
  const at::Tensor out = encoder_layers(layout_.config(), precision_, encoder,
                                        {embeddings, std::nullopt, attention}, 1 + rows);
  return {out.select(1, 0), out.narrow(1, 1, rows)};
}

at::Tensor RecurrentEncoder::logits(const at::Tensor& cls) const {
  const at::Tensor pooled =
      at::tanh(projection(cls, weights_.pooler, weights_.pooler_bias, precision_));
  return projection(pooled, weights_.head, weights_.head_bias, precision_);
}

}  // namespace lethe::models
