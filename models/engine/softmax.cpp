// SPDX-License-Identifier: Apache-2.0
#include "models/engine/softmax.h"

#include "harness/base/simd.h"
#include "models/transformer/lanes.h"

namespace lethe::models {
namespace {

using lanes::kWidth;
using lanes::Mask;
using lanes::Vector;

template <typename T>
LETHE_INLINE T exp_alive_row(T* scores, std::size_t columns, const ColumnLife& life,
                             std::int32_t row) {
  constexpr T kLowest = std::numeric_limits<T>::lowest();
  const std::int32_t* first = life.first.data();
  const std::int32_t* last = life.last.data();
  Vector<T> v, best, sums;
  Mask<T> alive;
  lanes::fill<T>(best, kLowest);
  for (std::size_t c = 0; c < columns; c += kWidth) {
    lanes::load<T>(v, scores + c);
    lanes::within<T>(alive, first + c, last + c, row);
    lanes::keep_where<T>(v, alive, kLowest);
    lanes::raise_to<T>(best, v);
  }
  const T largest = lanes::max<T>(best);
  lanes::fill<T>(sums, 0);
  for (std::size_t c = 0; c < columns; c += kWidth) {
    lanes::load<T>(v, scores + c);
    lanes::within<T>(alive, first + c, last + c, row);
    lanes::subtract<T>(v, largest);
    // Masked before exp: a dead score may be far larger than the largest alive one.
    lanes::keep_where<T>(v, alive, T(0));
    lanes::exp_in_place(v);
    lanes::keep_where<T>(v, alive, T(0));
    lanes::store<T>(scores + c, v);
    lanes::add<T>(sums, v);
  }
  return lanes::sum<T>(sums);
}

template <typename T>
LETHE_INLINE T sum_alive_row(const T* weights, std::size_t columns, const ColumnLife& life,
                             std::int32_t row) {
  Vector<T> v, sums;
  Mask<T> alive;
  lanes::fill<T>(sums, 0);
  for (std::size_t c = 0; c < columns; c += kWidth) {
    lanes::load<T>(v, weights + c);
    lanes::within<T>(alive, life.first.data() + c, life.last.data() + c, row);
    lanes::keep_where<T>(v, alive, T(0));
    lanes::add<T>(sums, v);
  }
  return lanes::sum<T>(sums);
}

template <typename T>
LETHE_INLINE void scale_alive_row(T* weights, std::size_t columns, const ColumnLife& life,
                                  std::int32_t row, T factor) {
  Vector<T> v;
  Mask<T> alive;
  for (std::size_t c = 0; c < columns; c += kWidth) {
    lanes::load<T>(v, weights + c);
    lanes::within<T>(alive, life.first.data() + c, life.last.data() + c, row);
    lanes::keep_where<T>(v, alive, T(0));
    lanes::multiply<T>(v, factor);
    lanes::store<T>(weights + c, v);
  }
}

// target_clones does not apply to templates: one plain function per type carries the dispatch.
#define LETHE_INSTANTIATE(T)                                                              \
  LETHE_MULTIVERSION T exp_alive_clone(T* s, std::size_t n, const ColumnLife& life,       \
                                       std::int32_t row) {                                \
    return exp_alive_row<T>(s, n, life, row);                                             \
  }                                                                                       \
  LETHE_MULTIVERSION T sum_alive_clone(const T* s, std::size_t n, const ColumnLife& life, \
                                       std::int32_t row) {                                \
    return sum_alive_row<T>(s, n, life, row);                                             \
  }                                                                                       \
  LETHE_MULTIVERSION void scale_alive_clone(T* s, std::size_t n, const ColumnLife& life,  \
                                            std::int32_t row, T factor) {                 \
    scale_alive_row<T>(s, n, life, row, factor);                                          \
  }
LETHE_INSTANTIATE(float)
LETHE_INSTANTIATE(double)
#undef LETHE_INSTANTIATE

}  // namespace

template <typename T>
T exp_alive(T* scores, std::size_t columns, const ColumnLife& life, std::int32_t row) {
  return exp_alive_clone(scores, columns, life, row);
}
template <typename T>
T sum_alive(const T* weights, std::size_t columns, const ColumnLife& life, std::int32_t row) {
  return sum_alive_clone(weights, columns, life, row);
}
template <typename T>
void scale_alive(T* weights, std::size_t columns, const ColumnLife& life, std::int32_t row,
                 T factor) {
  scale_alive_clone(weights, columns, life, row, factor);
}

#define LETHE_INSTANTIATE(T)                                                       \
  template T exp_alive<T>(T*, std::size_t, const ColumnLife&, std::int32_t);       \
  template T sum_alive<T>(const T*, std::size_t, const ColumnLife&, std::int32_t); \
  template void scale_alive<T>(T*, std::size_t, const ColumnLife&, std::int32_t, T);
LETHE_INSTANTIATE(float)
LETHE_INSTANTIATE(double)
#undef LETHE_INSTANTIATE

}  // namespace lethe::models
