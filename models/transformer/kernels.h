// SPDX-License-Identifier: Apache-2.0
// Host kernels between the matrix products. All arrays are row-major. `T` is the compute type,
// float or double; In and Out are what products read and write: T, or Bf16 where T is float.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include "models/transformer/lanes.h"

namespace lethe::models::kernels {

using lanes::Bf16;

/// out[r] = x[r] / sqrt(mean(x[r]^2) + eps) * weight, rows of `width` (RMSNorm, arXiv 1910.07467).
template <typename T, typename Out>
void rms_norm(const T* x, const T* weight, T eps, std::int64_t rows, std::int64_t width, Out* out);

/// out[r, i] = silu(gate_up[r, i]) * gate_up[r, width + i] (SwiGLU, arXiv 2002.05202).
template <typename In>
void silu_mul(const In* gate_up, std::int64_t rows, std::int64_t width, In* out);

/// Shapes of the fused projection of one token: [n_heads q | n_kv_heads k | n_kv_heads v] x
/// head_dim.
struct QkvShape {
  std::int64_t n_heads = 0;
  std::int64_t n_kv_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t row() const { return (n_heads + 2 * n_kv_heads) * head_dim; }
};

/// out = qkv with q and k of `rows` tokens rotated (rotate-half form, arXiv 2104.09864 as in
/// Llama). `qkv` and `out` are [rows, shape.row()] and may be the same, `cos` and `sin` are [rows,
/// head_dim / 2].
template <typename In, typename T>
void rotate(const In* qkv, const T* cos, const T* sin, std::int64_t rows, const QkvShape& shape,
            T* out);

/// sum[i] += x[i].
template <typename T, typename In>
void add_to(T* sum, const In* x, std::int64_t count);

/// x[i] := cap * tanh(x[i] / cap) (Gemma 2, arXiv 2408.00118), `count` a multiple of 16. In the
/// calling thread.
template <typename T>
void soft_cap(T* x, T cap, std::int64_t count);

/// Sum of exponentials of a row of logits, formed tile by tile of the vocabulary.
struct LogSum {
  double largest = -std::numeric_limits<double>::infinity();
  double sum = 0;  ///< of exp(logit - largest)
  double target = 0;

  /// -log p(target), nats.
  double nll() const;
};

/// Takes a tile of logits [rows, width] into `sums` [rows]. The tile's first column is token
/// `first`; target[r] is the token whose logit is wanted.
template <typename In>
void add_logits(const In* logits, std::int64_t rows, std::int64_t width, std::int64_t first,
                const std::int64_t* target, LogSum* sums);

}  // namespace lethe::models::kernels
