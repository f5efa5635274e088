// SPDX-License-Identifier: Apache-2.0
#include "models/transformer/kernels.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "harness/base/simd.h"
#include "models/transformer/parallel.h"

namespace lethe::models::kernels {
namespace {

using lanes::kWidth;
using lanes::Vector;

template <typename In>
using ComputeOf = std::conditional_t<std::is_same_v<In, double>, double, float>;

constexpr auto kStep = static_cast<std::int64_t>(kWidth);

template <typename T, typename Out>
LETHE_INLINE void rms_norm_row(const T* x, const T* weight, T eps, std::int64_t width, Out* out) {
  Vector<T> squares;
  lanes::fill<T>(squares, 0);
  Vector<T> v, w;
  std::int64_t i = 0;
  for (; i + kStep <= width; i += kStep) {
    lanes::load<T>(v, x + i);
    lanes::add_square<T>(squares, v);
  }
  T total = lanes::sum<T>(squares);
  for (; i < width; ++i) total += x[i] * x[i];
  const T scale = T(1) / std::sqrt(total / static_cast<T>(width) + eps);
  for (i = 0; i + kStep <= width; i += kStep) {
    lanes::load<T>(v, x + i);
    lanes::load<T>(w, weight + i);
    lanes::multiply<T>(v, scale);
    lanes::multiply<T>(v, w);
    lanes::store(out + i, v);
  }
  for (; i < width; ++i) lanes::narrow(x[i] * scale * weight[i], out[i]);
}

template <typename In>
LETHE_INLINE void silu_mul_row(const In* gate_up, std::int64_t width, In* out) {
  using T = ComputeOf<In>;
  const In* up = gate_up + width;
  Vector<T> g, u;
  std::int64_t i = 0;
  for (; i + kStep <= width; i += kStep) {
    lanes::load(g, gate_up + i);
    lanes::load(u, up + i);
    lanes::silu_times<T>(g, u);
    lanes::store(out + i, g);
  }
  for (; i < width; ++i) {
    const T gate = lanes::widened(gate_up[i]);
    lanes::narrow(gate / (T(1) + std::exp(-gate)) * lanes::widened(up[i]), out[i]);
  }
}

template <typename In>
LETHE_INLINE void add_logits_row(const In* logits, std::int64_t width, std::int64_t target,
                                 LogSum& row) {
  using T = ComputeOf<In>;
  Vector<T> v;
  Vector<T> best;
  lanes::fill<T>(best, lanes::widened(logits[0]));
  std::int64_t i = 0;
  for (; i + kStep <= width; i += kStep) {
    lanes::load(v, logits + i);
    lanes::raise_to<T>(best, v);
  }
  const std::int64_t tail = i;
  T largest = lanes::max<T>(best);
  for (; i < width; ++i) largest = std::max(largest, lanes::widened(logits[i]));
  Vector<T> sums;
  lanes::fill<T>(sums, 0);
  for (i = 0; i < tail; i += kStep) {
    lanes::load(v, logits + i);
    lanes::subtract<T>(v, largest);
    lanes::exp_in_place(v);
    lanes::add<T>(sums, v);
  }
  double total = static_cast<double>(lanes::sum<T>(sums));
  for (; i < width; ++i) {
    total += std::exp(static_cast<double>(lanes::widened(logits[i]) - largest));
  }
  const double before = row.largest, after = std::max(before, static_cast<double>(largest));
  row.sum = (row.sum > 0 ? row.sum * std::exp(before - after) : 0.0) +
            total * std::exp(static_cast<double>(largest) - after);
  row.largest = after;
  if (target >= 0 && target < width) {
    row.target = static_cast<double>(lanes::widened(logits[target]));
  }
}

template <typename In, typename T>
LETHE_INLINE void rotate_row(const In* row, const T* cos, const T* sin, std::int64_t heads,
                             std::int64_t head_dim, std::int64_t size, T* out) {
  const std::int64_t half = head_dim / 2;
  for (std::int64_t h = 0; h < heads; ++h) {
    const In* a = row + h * head_dim;
    const In* b = a + half;
    T* to = out + h * head_dim;
    for (std::int64_t i = 0; i < half; ++i) {
      const T x = lanes::widened(a[i]), y = lanes::widened(b[i]);
      to[i] = x * cos[i] - y * sin[i];
      to[half + i] = y * cos[i] + x * sin[i];
    }
  }
  for (std::int64_t i = heads * head_dim; i < size; ++i) out[i] = lanes::widened(row[i]);
}

template <typename T, typename In>
LETHE_INLINE void add_to_row(T* sum, const In* x, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) sum[i] += lanes::widened(x[i]);
}

// target_clones does not apply to templates: one plain function per type carries the dispatch.
#define LETHE_INSTANTIATE(T, Io)                                                                   \
  LETHE_MULTIVERSION void rms_norm_rows(const T* x, const T* weight, T eps, std::int64_t rows,     \
                                        std::int64_t width, Io* out) {                             \
    for (std::int64_t r = 0; r < rows; ++r)                                                        \
      rms_norm_row<T, Io>(x + r * width, weight, eps, width, out + r * width);                     \
  }                                                                                                \
  LETHE_MULTIVERSION void silu_mul_rows(const Io* gate_up, std::int64_t rows, std::int64_t width,  \
                                        Io* out) {                                                 \
    for (std::int64_t r = 0; r < rows; ++r)                                                        \
      silu_mul_row<Io>(gate_up + r * 2 * width, width, out + r * width);                           \
  }                                                                                                \
  LETHE_MULTIVERSION void rotate_rows(const Io* qkv, const T* cos, const T* sin,                   \
                                      std::int64_t rows, std::int64_t heads,                       \
                                      std::int64_t head_dim, std::int64_t size, T* out) {          \
    for (std::int64_t r = 0; r < rows; ++r) {                                                      \
      rotate_row<Io, T>(qkv + r * size, cos + r * (head_dim / 2), sin + r * (head_dim / 2), heads, \
                        head_dim, size, out + r * size);                                           \
    }                                                                                              \
  }                                                                                                \
  LETHE_MULTIVERSION void add_to_rows(T* sum, const Io* x, std::int64_t count) {                   \
    add_to_row<T, Io>(sum, x, count);                                                              \
  }                                                                                                \
  LETHE_MULTIVERSION void add_logits_rows(const Io* logits, std::int64_t rows, std::int64_t width, \
                                          std::int64_t first, const std::int64_t* target,          \
                                          LogSum* sums) {                                          \
    for (std::int64_t r = 0; r < rows; ++r)                                                        \
      add_logits_row<Io>(logits + r * width, width, target[r] - first, sums[r]);                   \
  }
LETHE_INSTANTIATE(float, float)
LETHE_INSTANTIATE(float, Bf16)
LETHE_INSTANTIATE(double, double)
#undef LETHE_INSTANTIATE

template <typename T>
LETHE_INLINE void soft_cap_row(T* x, T cap, std::int64_t count) {
  Vector<T> v;
  for (std::int64_t i = 0; i < count; i += kStep) {
    lanes::load<T>(v, x + i);
    lanes::soft_cap<T>(v, cap);
    lanes::store<T>(x + i, v);
  }
}
LETHE_MULTIVERSION void soft_cap_all(float* x, float cap, std::int64_t count) {
  soft_cap_row(x, cap, count);
}
LETHE_MULTIVERSION void soft_cap_all(double* x, double cap, std::int64_t count) {
  soft_cap_row(x, cap, count);
}

constexpr std::int64_t kRowGrain = 16;
constexpr std::int64_t kElementGrain = 1 << 15;

}  // namespace

double LogSum::nll() const {
  return std::log(sum) - (target - largest);
}

template <typename T, typename Out>
void rms_norm(const T* x, const T* weight, T eps, std::int64_t rows, std::int64_t width, Out* out) {
  parallel_rows(rows, kRowGrain, [&](std::int64_t begin, std::int64_t end) {
    rms_norm_rows(x + begin * width, weight, eps, end - begin, width, out + begin * width);
  });
}

template <typename In>
void silu_mul(const In* gate_up, std::int64_t rows, std::int64_t width, In* out) {
  parallel_rows(rows, kRowGrain, [&](std::int64_t begin, std::int64_t end) {
    silu_mul_rows(gate_up + begin * 2 * width, end - begin, width, out + begin * width);
  });
}

template <typename In, typename T>
void rotate(const In* qkv, const T* cos, const T* sin, std::int64_t rows, const QkvShape& shape,
            T* out) {
  const std::int64_t half = shape.head_dim / 2;
  parallel_rows(rows, kRowGrain, [&](std::int64_t begin, std::int64_t end) {
    rotate_rows(qkv + begin * shape.row(), cos + begin * half, sin + begin * half, end - begin,
                shape.n_heads + shape.n_kv_heads, shape.head_dim, shape.row(),
                out + begin * shape.row());
  });
}

template <typename T, typename In>
void add_to(T* sum, const In* x, std::int64_t count) {
  parallel_rows(count, kElementGrain, [&](std::int64_t begin, std::int64_t end) {
    add_to_rows(sum + begin, x + begin, end - begin);
  });
}

template <typename T>
void soft_cap(T* x, T cap, std::int64_t count) {
  soft_cap_all(x, cap, count);
}
template void soft_cap<float>(float*, float, std::int64_t);
template void soft_cap<double>(double*, double, std::int64_t);

template <typename In>
void add_logits(const In* logits, std::int64_t rows, std::int64_t width, std::int64_t first,
                const std::int64_t* target, LogSum* sums) {
  parallel_rows(rows, kRowGrain, [&](std::int64_t begin, std::int64_t end) {
    add_logits_rows(logits + begin * width, end - begin, width, first, target + begin,
                    sums + begin);
  });
}

#define LETHE_INSTANTIATE(T, Io)                                                                 \
  template void rms_norm<T, Io>(const T*, const T*, T, std::int64_t, std::int64_t, Io*);         \
  template void silu_mul<Io>(const Io*, std::int64_t, std::int64_t, Io*);                        \
  template void rotate<Io, T>(const Io*, const T*, const T*, std::int64_t, const QkvShape&, T*); \
  template void add_to<T, Io>(T*, const Io*, std::int64_t);                                      \
  template void add_logits<Io>(const Io*, std::int64_t, std::int64_t, std::int64_t,              \
                               const std::int64_t*, LogSum*);
LETHE_INSTANTIATE(float, float)
LETHE_INSTANTIATE(float, Bf16)
LETHE_INSTANTIATE(double, double)
#undef LETHE_INSTANTIATE

}  // namespace lethe::models::kernels
