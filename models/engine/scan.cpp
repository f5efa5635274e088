// SPDX-License-Identifier: Apache-2.0
#include "models/engine/scan.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "harness/base/error.h"
#include "models/engine/block_attention.h"
#include "models/engine/sequence.h"

namespace lethe::models {
namespace {

/// Attention of a chunk in one layer, block by block.
at::Tensor attend_chunk(const Decoder& decoder, const at::Tensor& qkv, std::int64_t first_position,
                        std::int64_t block_rows, SequenceLayer& layer, BlockAttention& attention) {
  const auto shape = decoder.qkv_shape();
  const std::int64_t rows = qkv.size(0), width = shape.n_heads * shape.head_dim;
  at::Tensor out = at::empty({rows, width}, qkv.options());
  dispatch_compute(decoder.precision(), [&](auto zero) {
    using T = decltype(zero);
    for (std::int64_t begin = 0; begin < rows; begin += block_rows) {
      attention.run<T>(qkv.const_data_ptr<T>() + begin * shape.row(),
                       std::min(block_rows, rows - begin), first_position + begin, layer.cache,
                       layer.policy, out.mutable_data_ptr<T>() + begin * width);
    }
  });
  return out;
}

}  // namespace

EvaluateResult evaluate_scan(const Decoder& decoder, std::span<const std::int64_t> tokens,
                             const policies::PolicyPlan& policy, const EvaluateOptions& options) {
  const auto count = static_cast<std::int64_t>(tokens.size());
  const std::int64_t block_rows = std::min(options.block_rows, count);
  auto layers = make_sequence(decoder, policy, options, count, block_rows);
  BlockAttention attention(decoder, block_rows, layers.front().cache.keys().size(1));

  EvaluateResult result;
  result.nll.resize(tokens.size() - 1);
  const auto n_layers = static_cast<std::int64_t>(layers.size());
  for (std::int64_t first = 0; first < count; first += options.chunk_tokens) {
    const std::int64_t rows = std::min(options.chunk_tokens, count - first);
    at::Tensor hidden = decoder.embed(
        tokens.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(rows)));
    const RotaryTable rotary = decoder.rotary(options.rope_angles, first, rows);
    for (std::int64_t l = 0; l < n_layers; ++l) {
      if (options.should_stop && options.should_stop()) {
        throw Error(ErrorKind::kInterrupted, "stopped after " + std::to_string(first) + " tokens");
      }
      const at::Tensor qkv = decoder.project_qkv(l, hidden, rotary);
      const at::Tensor attended = attend_chunk(decoder, qkv, first, block_rows,
                                               layers[static_cast<std::size_t>(l)], attention);
      decoder.finish_layer(l, hidden, attended);
      if (options.progress) options.progress(first + rows * (l + 1) / n_layers);
    }
    collect_logits(decoder, hidden, first, options, result);
    const std::int64_t scored =
        std::min(rows, count - 1 - first);  // the last token predicts nothing
    const auto at_first = static_cast<std::size_t>(first);
    const auto n_scored = static_cast<std::size_t>(scored);
    const std::span<double> nll = std::span(result.nll).subspan(at_first, n_scored);
    decoder.score(hidden, tokens.subspan(at_first + 1, n_scored), nll);
    for (std::size_t i = 0; options.observer && i < n_scored; ++i) {
      options.observer->scored(first + static_cast<std::int64_t>(i), nll[i]);
    }
  }
  finish_sequence(layers, count, result);
  return result;
}

}  // namespace lethe::models
