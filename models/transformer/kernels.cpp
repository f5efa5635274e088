// SPDX-License-Identifier: Apache-2.0
#include "models/transformer/kernels.h"

#include <algorithm>
#include <cmath>

#include "harness/base/simd.h"
#include "models/transformer/lanes.h"
#include "models/transformer/parallel.h"

namespace lethe::models::kernels {
namespace {

using lanes::kWidth;
using lanes::Vector;

template <typename T>
LETHE_INLINE void rms_norm_row(const T* x, const T* weight, T eps, std::int64_t width, T* out) {
  Vector<T> squares;
  lanes::fill<T>(squares, 0);
  Vector<T> v;
  std::int64_t i = 0;
  for (; i + static_cast<std::int64_t>(kWidth) <= width; i += kWidth) {
    lanes::load<T>(v, x + i);
    lanes::add_square<T>(squares, v);
  }
  T total = lanes::sum<T>(squares);
  for (; i < width; ++i) total += x[i] * x[i];
  const T scale = T(1) / std::sqrt(total / static_cast<T>(width) + eps);
  for (i = 0; i < width; ++i) out[i] = x[i] * scale * weight[i];
}

template <typename T>
LETHE_INLINE void silu_mul_row(const T* gate_up, std::int64_t width, T* out) {
  const T* up = gate_up + width;
  Vector<T> g, u;
  std::int64_t i = 0;
  for (; i + static_cast<std::int64_t>(kWidth) <= width; i += kWidth) {
    lanes::load<T>(g, gate_up + i);
    lanes::load<T>(u, up + i);
    lanes::silu_times<T>(g, u);
    lanes::store<T>(out + i, g);
  }
  for (; i < width; ++i) out[i] = gate_up[i] / (T(1) + std::exp(-gate_up[i])) * up[i];
}

template <typename T>
LETHE_INLINE double nll_row(const T* logits, std::int64_t target, std::int64_t width) {
  Vector<T> v;
  Vector<T> best;
  lanes::fill<T>(best, logits[0]);
  std::int64_t i = 0;
  for (; i + static_cast<std::int64_t>(kWidth) <= width; i += kWidth) {
    lanes::load<T>(v, logits + i);
    lanes::raise_to<T>(best, v);
  }
  const std::int64_t tail = i;
  T largest = lanes::max<T>(best);
  for (; i < width; ++i) largest = std::max(largest, logits[i]);
  Vector<T> sums;
  lanes::fill<T>(sums, 0);
  for (i = 0; i < tail; i += kWidth) {
    lanes::load<T>(v, logits + i);
    lanes::subtract<T>(v, largest);
    lanes::exp_in_place(v);
    lanes::add<T>(sums, v);
  }
  double total = static_cast<double>(lanes::sum<T>(sums));
  for (; i < width; ++i) total += std::exp(static_cast<double>(logits[i] - largest));
  return std::log(total) - static_cast<double>(logits[target] - largest);
}

template <typename T>
LETHE_INLINE void rotate_row(T* row, const T* cos, const T* sin, std::int64_t heads,
                             std::int64_t head_dim) {
  const std::int64_t half = head_dim / 2;
  for (std::int64_t h = 0; h < heads; ++h) {
    T* a = row + h * head_dim;
    T* b = a + half;
    for (std::int64_t i = 0; i < half; ++i) {
      const T x = a[i], y = b[i];
      a[i] = x * cos[i] - y * sin[i];
      b[i] = y * cos[i] + x * sin[i];
    }
  }
}

// target_clones does not apply to templates: one plain function per type carries the dispatch.
#define LETHE_INSTANTIATE(T)                                                                       \
  LETHE_MULTIVERSION void rms_norm_rows(const T* x, const T* weight, T eps, std::int64_t rows,     \
                                        std::int64_t width, T* out) {                              \
    for (std::int64_t r = 0; r < rows; ++r)                                                        \
      rms_norm_row<T>(x + r * width, weight, eps, width, out + r * width);                         \
  }                                                                                                \
  LETHE_MULTIVERSION void silu_mul_rows(const T* gate_up, std::int64_t rows, std::int64_t width,   \
                                        T* out) {                                                  \
    for (std::int64_t r = 0; r < rows; ++r)                                                        \
      silu_mul_row<T>(gate_up + r * 2 * width, width, out + r * width);                            \
  }                                                                                                \
  LETHE_MULTIVERSION void rotate_rows(T* qkv, const T* cos, const T* sin, std::int64_t rows,       \
                                      std::int64_t heads, std::int64_t head_dim,                   \
                                      std::int64_t row_size) {                                     \
    for (std::int64_t r = 0; r < rows; ++r) {                                                      \
      rotate_row<T>(qkv + r * row_size, cos + r * (head_dim / 2), sin + r * (head_dim / 2), heads, \
                    head_dim);                                                                     \
    }                                                                                              \
  }                                                                                                \
  LETHE_MULTIVERSION void nll_rows(const T* logits, const std::int64_t* target, std::int64_t rows, \
                                   std::int64_t width, double* nll) {                              \
    for (std::int64_t r = 0; r < rows; ++r)                                                        \
      nll[r] = nll_row<T>(logits + r * width, target[r], width);                                   \
  }
LETHE_INSTANTIATE(float)
LETHE_INSTANTIATE(double)
#undef LETHE_INSTANTIATE

constexpr std::int64_t kRowGrain = 16;

}  // namespace

template <typename T>
void rms_norm(const T* x, const T* weight, T eps, std::int64_t rows, std::int64_t width, T* out) {
  parallel_rows(rows, kRowGrain, [&](std::int64_t begin, std::int64_t end) {
    rms_norm_rows(x + begin * width, weight, eps, end - begin, width, out + begin * width);
  });
}

template <typename T>
void silu_mul(const T* gate_up, std::int64_t rows, std::int64_t width, T* out) {
  parallel_rows(rows, kRowGrain, [&](std::int64_t begin, std::int64_t end) {
    silu_mul_rows(gate_up + begin * 2 * width, end - begin, width, out + begin * width);
  });
}

template <typename T>
void rotate(T* qkv, const T* cos, const T* sin, std::int64_t rows, const QkvShape& shape) {
  const std::int64_t half = shape.head_dim / 2;
  parallel_rows(rows, kRowGrain, [&](std::int64_t begin, std::int64_t end) {
    rotate_rows(qkv + begin * shape.row(), cos + begin * half, sin + begin * half, end - begin,
                shape.n_heads + shape.n_kv_heads, shape.head_dim, shape.row());
  });
}

template <typename T>
void gather_queries(const T* qkv, std::int64_t rows, const QkvShape& shape, T* out) {
  const std::int64_t d = shape.head_dim;
  for (std::int64_t h = 0; h < shape.n_heads; ++h) {
    for (std::int64_t r = 0; r < rows; ++r) {
      std::copy_n(qkv + r * shape.row() + h * d, d, out + (h * rows + r) * d);
    }
  }
}

template <typename T>
void scatter_heads(const T* heads, std::int64_t rows, const QkvShape& shape, T* out) {
  const std::int64_t d = shape.head_dim;
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t h = 0; h < shape.n_heads; ++h) {
      std::copy_n(heads + (h * rows + r) * d, d, out + (r * shape.n_heads + h) * d);
    }
  }
}

template <typename T>
void negative_log_likelihood(const T* logits, const std::int64_t* target, std::int64_t rows,
                             std::int64_t width, double* nll) {
  parallel_rows(rows, 4, [&](std::int64_t begin, std::int64_t end) {
    nll_rows(logits + begin * width, target + begin, end - begin, width, nll + begin);
  });
}

#define LETHE_INSTANTIATE(T)                                                            \
  template void rms_norm<T>(const T*, const T*, T, std::int64_t, std::int64_t, T*);     \
  template void silu_mul<T>(const T*, std::int64_t, std::int64_t, T*);                  \
  template void rotate<T>(T*, const T*, const T*, std::int64_t, const QkvShape&);       \
  template void gather_queries<T>(const T*, std::int64_t, const QkvShape&, T*);         \
  template void scatter_heads<T>(const T*, std::int64_t, const QkvShape&, T*);          \
  template void negative_log_likelihood<T>(const T*, const std::int64_t*, std::int64_t, \
                                           std::int64_t, double*);
LETHE_INSTANTIATE(float)
LETHE_INSTANTIATE(double)
#undef LETHE_INSTANTIATE

}  // namespace lethe::models::kernels
