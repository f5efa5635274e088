// SPDX-License-Identifier: Apache-2.0
// Compiled with contraction and unordered sums (models/CMakeLists.txt): exact bits are no promise
// of a model that was trained with LibTorch's products.
#include "models/transformer/relative_attention_kernel.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "harness/base/simd.h"
#include "models/transformer/lanes.h"

namespace lethe::models {
namespace {

constexpr std::int64_t kRows = 8;    // query rows per block
constexpr std::int64_t kLanes = 16;  // columns are padded to whole vectors

template <typename T>
struct Wide {
  typedef T Vector __attribute__((vector_size(kLanes * sizeof(T)), aligned(sizeof(T)), may_alias));
};
template <typename T>
using Vec = typename Wide<T>::Vector;

template <typename T>
LETHE_INLINE Vec<T> at(const T* p) {
  return *reinterpret_cast<const Vec<T>*>(p);
}
template <typename T>
LETHE_INLINE void put(T* p, const Vec<T>& v) {
  *reinterpret_cast<Vec<T>*>(p) = v;
}

// out[r][j] = sum over c of a[r][c] * bt[c][j] for kRows rows, a row-major with `a_stride`.
template <typename T>
LETHE_INLINE void rows_times(const T* a, std::int64_t a_stride, const T* bt, std::int64_t width,
                             std::int64_t depth, T* out) {
  for (std::int64_t j = 0; j < width; j += kLanes) {
    Vec<T> sums[kRows] = {};
    for (std::int64_t c = 0; c < depth; ++c) {
      const Vec<T> b = at(bt + c * width + j);
      _Pragma("GCC unroll 8") for (std::int64_t r = 0; r < kRows; ++r) {
        sums[r] += b * a[r * a_stride + c];
      }
    }
    _Pragma("GCC unroll 8") for (std::int64_t r = 0; r < kRows; ++r)
        put(out + r * width + j, sums[r]);
  }
}

// sum_t[c][j] += sum over r of a[r][c] * x[r][j].
template <typename T>
LETHE_INLINE void add_outer(const T* a, std::int64_t a_stride, const T* x, std::int64_t width,
                            std::int64_t depth, T* sum_t) {
  for (std::int64_t j = 0; j < width; j += kLanes) {
    Vec<T> rows[kRows];
    _Pragma("GCC unroll 8") for (std::int64_t r = 0; r < kRows; ++r) rows[r] =
        at(x + r * width + j);
    for (std::int64_t c = 0; c < depth; ++c) {
      Vec<T> sum = at(sum_t + c * width + j);
      _Pragma("GCC unroll 8") for (std::int64_t r = 0; r < kRows; ++r) {
        sum += rows[r] * a[r * a_stride + c];
      }
      put(sum_t + c * width + j, sum);
    }
  }
}

// out[r][c] = sum over j of x[r][j] * b[j][c]; b has `columns` = depth rounded up to whole vectors.
template <typename T>
LETHE_INLINE void times_rows(const T* x, std::int64_t width, std::int64_t count, const T* b,
                             std::int64_t columns, T* out) {
  for (std::int64_t c = 0; c < columns; c += kLanes) {
    Vec<T> sums[kRows] = {};
    for (std::int64_t j = 0; j < count; ++j) {
      const Vec<T> row = at(b + j * columns + c);
      _Pragma("GCC unroll 8") for (std::int64_t r = 0; r < kRows; ++r) {
        sums[r] += row * x[r * width + j];
      }
    }
    _Pragma("GCC unroll 8") for (std::int64_t r = 0; r < kRows; ++r)
        put(out + r * columns + c, sums[r]);
  }
}

// e^x for x <= 0, in a form that compilers turn into vector code: 2^n by the exponent's bits, the
// rest by the polynomial of Cephes (relative error 2e-7).
LETHE_INLINE float exp_of(float x) {
  x = x < -87.0f ? -87.0f : x;
  const float n = __builtin_rintf(x * 1.44269504088896341f);
  const float r = x - n * 0.693359375f + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  return p * std::bit_cast<float>((static_cast<std::int32_t>(n) + 127) << 23);
}
LETHE_INLINE double exp_of(double x) {
  return std::exp(x);
}

/// Padded copies of what a head reads, and rows of a block.
template <typename T>
struct Buffers {
  std::int64_t width = 0;    // tokens, whole vectors
  std::int64_t columns = 0;  // head_dim, whole vectors
  std::vector<T> k_t, v_t, k, v, q, d_out, out, scores, slopes, d_k_t, d_v_t;
};

// Threads keep their buffers: a segment is a hundred heads of the same shape.
template <typename T>
Buffers<T>& buffers() {
  thread_local Buffers<T> own;
  return own;
}

// from[rows][depth] -> to[depth][width], zeros beyond the rows.
template <typename T>
LETHE_INLINE void transpose(const T* from, std::int64_t stride, std::int64_t rows,
                            std::int64_t depth, std::int64_t width, std::vector<T>& to) {
  to.assign(static_cast<std::size_t>(depth * width), T(0));
  for (std::int64_t j = 0; j < rows; ++j) {
    for (std::int64_t c = 0; c < depth; ++c) {
      to[static_cast<std::size_t>(c * width + j)] = from[j * stride + c];
    }
  }
}

// from[rows][depth] -> to[rows][columns], zeros beyond the depth.
template <typename T>
LETHE_INLINE void pad(const T* from, std::int64_t stride, std::int64_t rows, std::int64_t depth,
                      std::int64_t columns, std::int64_t padded_rows, std::vector<T>& to) {
  to.assign(static_cast<std::size_t>(padded_rows * columns), T(0));
  for (std::int64_t j = 0; j < rows; ++j) {
    std::copy_n(from + j * stride, depth, to.data() + j * columns);
  }
}

// scores[j] = scale * scores[j] + bias of offset j - i, for the real columns.
template <typename T>
LETHE_INLINE void add_bias(const AttentionHead<T>& head, std::int64_t i, T* scores) {
  const std::int64_t near = std::clamp<std::int64_t>(i - head.clip, 0, head.tokens),
                     far = std::clamp<std::int64_t>(i + head.clip + 1, 0, head.tokens);
  const T before = head.bias[0], after = head.bias[2 * head.clip];
  for (std::int64_t j = 0; j < near; ++j) scores[j] = scores[j] * head.scale + before;
  for (std::int64_t j = near; j < far; ++j) {
    scores[j] = scores[j] * head.scale + head.bias[j - i + head.clip];
  }
  for (std::int64_t j = far; j < head.tokens; ++j) scores[j] = scores[j] * head.scale + after;
}

template <typename T>
LETHE_INLINE void forward_head(const AttentionHead<T>& head) {
  Buffers<T>& b = buffers<T>();
  b.width = lanes::round_up(head.tokens);
  b.columns = lanes::round_up(head.head_dim);
  transpose(head.k, head.kv_stride, head.tokens, head.head_dim, b.width, b.k_t);
  pad(head.v, head.kv_stride, head.tokens, head.head_dim, b.columns, head.tokens, b.v);
  const std::int64_t padded = (head.queries + kRows - 1) / kRows * kRows;
  pad(head.q, head.q_stride, head.queries, head.head_dim, b.columns, padded, b.q);
  b.scores.resize(static_cast<std::size_t>(kRows * b.width));
  b.out.resize(static_cast<std::size_t>(kRows * b.columns));
  for (std::int64_t i = 0; i < head.queries; i += kRows) {
    const std::int64_t rows = std::min(kRows, head.queries - i);
    rows_times<T>(b.q.data() + i * b.columns, b.columns, b.k_t.data(), b.width, head.head_dim,
                  b.scores.data());
    T sums[kRows];
    for (std::int64_t r = 0; r < rows; ++r) {
      T* scores = b.scores.data() + r * b.width;
      add_bias(head, i + r, scores);
      T largest = scores[0];
      for (std::int64_t j = 1; j < head.tokens; ++j) largest = std::max(largest, scores[j]);
      T sum = 0;
      for (std::int64_t j = 0; j < head.tokens; ++j) {
        scores[j] = exp_of(scores[j] - largest);
        sum += scores[j];
      }
      sums[r] = sum;
      head.log_sums[i + r] = largest + std::log(sum);
    }
    times_rows<T>(b.scores.data(), b.width, head.tokens, b.v.data(), b.columns, b.out.data());
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t c = 0; c < head.head_dim; ++c) {
        head.out[(i + r) * head.out_stride + c] =
            b.out[static_cast<std::size_t>(r * b.columns + c)] / sums[r];
      }
    }
  }
}

// d_bias of one row: near offsets each their own, the others together.
template <typename T>
LETHE_INLINE void add_bias_slopes(const AttentionHead<T>& head, std::int64_t i, const T* slopes,
                                  T* d_bias) {
  const std::int64_t near = std::clamp<std::int64_t>(i - head.clip, 0, head.tokens),
                     far = std::clamp<std::int64_t>(i + head.clip + 1, 0, head.tokens);
  T before = 0, after = 0;
  for (std::int64_t j = 0; j < near; ++j) before += slopes[j];
  for (std::int64_t j = near; j < far; ++j) d_bias[j - i + head.clip] += slopes[j];
  for (std::int64_t j = far; j < head.tokens; ++j) after += slopes[j];
  d_bias[0] += before;
  d_bias[2 * head.clip] += after;
}

template <typename T>
LETHE_INLINE void backward_head(const AttentionHead<T>& head, const AttentionHeadGradients<T>& g) {
  Buffers<T>& b = buffers<T>();
  const std::int64_t depth = head.head_dim;
  b.width = lanes::round_up(head.tokens);
  b.columns = lanes::round_up(depth);
  const std::int64_t padded = (head.queries + kRows - 1) / kRows * kRows;
  transpose(head.k, head.kv_stride, head.tokens, depth, b.width, b.k_t);
  transpose(head.v, head.kv_stride, head.tokens, depth, b.width, b.v_t);
  pad(head.k, head.kv_stride, head.tokens, depth, b.columns, head.tokens, b.k);
  pad(head.q, head.q_stride, head.queries, depth, b.columns, padded, b.q);
  pad(g.d_out, head.out_stride, head.queries, depth, b.columns, padded, b.d_out);
  b.d_k_t.assign(static_cast<std::size_t>(depth * b.width), T(0));
  b.d_v_t.assign(static_cast<std::size_t>(depth * b.width), T(0));
  b.scores.resize(static_cast<std::size_t>(kRows * b.width));
  b.slopes.resize(static_cast<std::size_t>(kRows * b.width));
  b.out.resize(static_cast<std::size_t>(kRows * b.columns));
  for (std::int64_t i = 0; i < head.queries; i += kRows) {
    const std::int64_t rows = std::min(kRows, head.queries - i);
    rows_times<T>(b.q.data() + i * b.columns, b.columns, b.k_t.data(), b.width, depth,
                  b.scores.data());
    rows_times<T>(b.d_out.data() + i * b.columns, b.columns, b.v_t.data(), b.width, depth,
                  b.slopes.data());
    for (std::int64_t r = 0; r < kRows; ++r) {
      T* scores = b.scores.data() + r * b.width;
      T* slopes = b.slopes.data() + r * b.width;
      if (r >= rows) {  // a row of padding: it must add nothing
        std::fill_n(scores, b.width, T(0));
        std::fill_n(slopes, b.width, T(0));
        continue;
      }
      add_bias(head, i + r, scores);
      // Sum of d_out * out = sum of weight * slope: what softmax takes off every slope.
      T mean = 0;
      for (std::int64_t c = 0; c < depth; ++c) {
        mean += g.d_out[(i + r) * head.out_stride + c] * head.out[(i + r) * head.out_stride + c];
      }
      const T log_sum = head.log_sums[i + r];
      for (std::int64_t j = 0; j < head.tokens; ++j) {
        scores[j] = exp_of(std::min(scores[j] - log_sum, T(0)));
        slopes[j] = scores[j] * (slopes[j] - mean);
      }
      std::fill(scores + head.tokens, scores + b.width, T(0));
      std::fill(slopes + head.tokens, slopes + b.width, T(0));
      add_bias_slopes(head, i + r, slopes, g.d_bias);
    }
    add_outer<T>(b.d_out.data() + i * b.columns, b.columns, b.scores.data(), b.width, depth,
                 b.d_v_t.data());
    add_outer<T>(b.q.data() + i * b.columns, b.columns, b.slopes.data(), b.width, depth,
                 b.d_k_t.data());
    times_rows<T>(b.slopes.data(), b.width, head.tokens, b.k.data(), b.columns, b.out.data());
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t c = 0; c < depth; ++c) {
        g.d_q[(i + r) * head.q_stride + c] =
            b.out[static_cast<std::size_t>(r * b.columns + c)] * head.scale;
      }
    }
  }
  for (std::int64_t j = 0; j < head.tokens; ++j) {
    for (std::int64_t c = 0; c < depth; ++c) {
      const auto from = static_cast<std::size_t>(c * b.width + j);
      g.d_k[j * head.kv_stride + c] = b.d_k_t[from] * head.scale;
      g.d_v[j * head.kv_stride + c] = b.d_v_t[from];
    }
  }
}

// target_clones does not apply to templates: one plain function per type carries the dispatch.
#define LETHE_INSTANTIATE(T)                                                           \
  LETHE_MULTIVERSION void forward_clone(const AttentionHead<T>& head) {                \
    forward_head<T>(head);                                                             \
  }                                                                                    \
  LETHE_MULTIVERSION void backward_clone(const AttentionHead<T>& head,                 \
                                         const AttentionHeadGradients<T>& gradients) { \
    backward_head<T>(head, gradients);                                                 \
  }
LETHE_INSTANTIATE(float)
LETHE_INSTANTIATE(double)
#undef LETHE_INSTANTIATE

}  // namespace

template <typename T>
void relative_attention(const AttentionHead<T>& head) {
  forward_clone(head);
}
template <typename T>
void relative_attention_backward(const AttentionHead<T>& head,
                                 const AttentionHeadGradients<T>& gradients) {
  backward_clone(head, gradients);
}

#define LETHE_INSTANTIATE(T)                                            \
  template void relative_attention<T>(const AttentionHead<T>&);         \
  template void relative_attention_backward<T>(const AttentionHead<T>&, \
                                               const AttentionHeadGradients<T>&);
LETHE_INSTANTIATE(float)
LETHE_INSTANTIATE(double)
#undef LETHE_INSTANTIATE

}  // namespace lethe::models
