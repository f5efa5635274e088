// SPDX-License-Identifier: Apache-2.0
// Host kernels between the matrix products, float32 and float64. All arrays are row-major.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lethe::models::kernels {

/// out[r] = x[r] / sqrt(mean(x[r]^2) + eps) * weight, rows of `width` (RMSNorm, arXiv 1910.07467).
template <typename T>
void rms_norm(const T* x, const T* weight, T eps, std::int64_t rows, std::int64_t width, T* out);

/// out[r, i] = silu(gate_up[r, i]) * gate_up[r, width + i] (SwiGLU, arXiv 2002.05202).
template <typename T>
void silu_mul(const T* gate_up, std::int64_t rows, std::int64_t width, T* out);

/// Shapes of the fused projection of one token: [n_heads q | n_kv_heads k | n_kv_heads v] x
/// head_dim.
struct QkvShape {
  std::int64_t n_heads = 0;
  std::int64_t n_kv_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t row() const { return (n_heads + 2 * n_kv_heads) * head_dim; }
};

/// Rotates q and k of `rows` tokens in place (rotate-half form, arXiv 2104.09864 as in Llama).
/// `qkv` is [rows, shape.row()], `cos` and `sin` are [rows, head_dim / 2].
template <typename T>
void rotate(T* qkv, const T* cos, const T* sin, std::int64_t rows, const QkvShape& shape);

/// Queries of a block in the order attention wants them: out[head, row, :] = qkv[row, head, :].
template <typename T>
void gather_queries(const T* qkv, std::int64_t rows, const QkvShape& shape, T* out);

/// The way back: out[row, head, :] = heads[head, row, :].
template <typename T>
void scatter_heads(const T* heads, std::int64_t rows, const QkvShape& shape, T* out);

/// nll[r] = logsumexp(logits[r]) - logits[r, target[r]], rows of `width`, in nats.
template <typename T>
void negative_log_likelihood(const T* logits, const std::int64_t* target, std::int64_t rows,
                             std::int64_t width, double* nll);

}  // namespace lethe::models::kernels
