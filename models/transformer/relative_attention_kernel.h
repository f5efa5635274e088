// SPDX-License-Identifier: Apache-2.0
// Bidirectional attention with a clipped relative-position bias on the host, forward and backward,
// in one pass over blocks of rows: no [tokens, tokens] matrix is ever stored.
#pragma once

#include <cstdint>

namespace lethe::models {

/// One head of one sequence. Rows of a matrix lie `stride` elements apart, head_dim elements wide.
/// Query i stands at position i, so the queries may be the first rows of the sequence alone.
template <typename T>
struct AttentionHead {
  std::int64_t queries = 0;  ///< rows of q, out, d_out and d_q
  std::int64_t tokens = 0;   ///< rows of k and v
  std::int64_t head_dim = 0;
  T scale = 1;              ///< of q . k
  std::int64_t clip = 0;    ///< offsets beyond it share the outermost bias
  const T* bias = nullptr;  ///< [2 clip + 1]: added for key j and query i at clamp(j - i) + clip
  const T *q = nullptr, *k = nullptr, *v = nullptr;
  std::int64_t q_stride = 0, kv_stride = 0;
  T* out = nullptr;  ///< [queries], row stride out_stride
  std::int64_t out_stride = 0;
  /// [queries]: log of the sum of exponentials of every row; the backward pass reads it.
  T* log_sums = nullptr;
};

/// Softmax of (scale q k^T + bias) times v, into head.out and head.log_sums.
template <typename T>
void relative_attention(const AttentionHead<T>& head);

/// What the backward pass is given and gives, laid out as what it belongs to.
template <typename T>
struct AttentionHeadGradients {
  const T* d_out = nullptr;          ///< row stride out_stride
  T* d_q = nullptr;                  ///< written; row stride q_stride
  T *d_k = nullptr, *d_v = nullptr;  ///< written; row stride kv_stride
  T* d_bias = nullptr;               ///< [2 clip + 1], added to
};

/// Gradients of relative_attention(), whose results `head` still holds.
template <typename T>
void relative_attention_backward(const AttentionHead<T>& head,
                                 const AttentionHeadGradients<T>& gradients);

}  // namespace lethe::models
