// SPDX-License-Identifier: Apache-2.0
// Compiled with -ffp-contract=fast: a multiply-add is one instruction where the CPU has it.
#include "models/engine/small_product.h"

#include <algorithm>
#include <cstring>

#include "harness/base/simd.h"
#include "models/transformer/lanes.h"

namespace lethe::models {
namespace {

using lanes::widened;

// Of the inner dimension at once: a panel of b of two vectors' width stays in the first cache, and
// long sums are formed in parts, which keeps their rounding small.
constexpr std::int64_t kInnerBlock = 256;

template <typename T, int kBytes>
struct Wide {
  typedef T Vector __attribute__((vector_size(kBytes)));
  static constexpr std::int64_t kLanes = kBytes / static_cast<std::int64_t>(sizeof(T));
};

template <typename T, int kBytes>
LETHE_INLINE void load(typename Wide<T, kBytes>::Vector& v, const T* p) {
  std::memcpy(&v, p, kBytes);
}
template <typename T, int kBytes>
LETHE_INLINE void load(typename Wide<T, kBytes>::Vector& v, const lanes::Bf16* p) {
  using Whole = typename Wide<std::uint32_t, kBytes>::Vector;
  typename Wide<std::uint16_t, kBytes / 2>::Vector half;
  std::memcpy(&half, p, sizeof half);
  const Whole bits = __builtin_convertvector(half, Whole) << 16;
  std::memcpy(&v, &bits, kBytes);
}
template <typename T, int kBytes>
LETHE_INLINE void load(typename Wide<T, kBytes>::Vector& v, const std::int8_t* p) {
  typename Wide<std::int8_t, kBytes / 4>::Vector bytes;
  std::memcpy(&bytes, p, sizeof bytes);
  v = __builtin_convertvector(bytes, typename Wide<T, kBytes>::Vector);
}

LETHE_INLINE float widened(std::int8_t value) {
  return value;
}

/// c[kRows][kVectors vectors] (+)= alpha * a · b, sums held in registers.
template <typename T, typename B, int kBytes, int kRows, int kVectors>
LETHE_INLINE void tile(const T* a, std::int64_t lda, const B* b, std::int64_t ldb, std::int64_t k,
                       T alpha, bool add, T* c, std::int64_t ldc) {
  using Vector = typename Wide<T, kBytes>::Vector;
  constexpr std::int64_t kLanes = Wide<T, kBytes>::kLanes;
  Vector sum[kRows][kVectors] = {};
  for (std::int64_t p = 0; p < k; ++p) {
    Vector right[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) load<T, kBytes>(right[v], b + p * ldb + v * kLanes);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const T left = a[r * lda + p];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sum[r][v] += left * right[v];
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      T* out = c + r * ldc + v * kLanes;
      Vector value = sum[r][v] * alpha;
      if (add) {
        Vector before;
        std::memcpy(&before, out, kBytes);
        value += before;
      }
      std::memcpy(out, &value, kBytes);
    }
  }
}

template <typename T, typename B>
LETHE_INLINE void one(const T* a, const B* b, std::int64_t ldb, std::int64_t k, T alpha, bool add,
                      T* c) {
  T sum = 0;
  for (std::int64_t p = 0; p < k; ++p) sum += a[p] * widened(b[p * ldb]);
  *c = add ? *c + sum * alpha : sum * alpha;
}

/// All rows of one strip of kVectors vectors.
template <typename T, typename B, int kBytes, int kRows, int kVectors>
LETHE_INLINE void strip(const T* a, std::int64_t lda, const B* b, std::int64_t ldb, std::int64_t m,
                        std::int64_t k, T alpha, bool add, T* c, std::int64_t ldc) {
  std::int64_t i = 0;
  for (; i + kRows <= m; i += kRows) {
    tile<T, B, kBytes, kRows, kVectors>(a + i * lda, lda, b, ldb, k, alpha, add, c + i * ldc, ldc);
  }
  // Few rows: the query heads of one KV head, when one token is computed.
  for (; i + 3 <= m; i += 3) {
    tile<T, B, kBytes, 3, kVectors>(a + i * lda, lda, b, ldb, k, alpha, add, c + i * ldc, ldc);
  }
  for (; i < m; ++i) {
    tile<T, B, kBytes, 1, kVectors>(a + i * lda, lda, b, ldb, k, alpha, add, c + i * ldc, ldc);
  }
}

template <typename T, typename B, int kBytes, int kRows>
LETHE_INLINE void product(const T* a, std::int64_t lda, const B* b, std::int64_t ldb,
                          std::int64_t m, std::int64_t n, std::int64_t k, T alpha, T* c,
                          std::int64_t ldc) {
  constexpr std::int64_t kLanes = Wide<T, kBytes>::kLanes;
  for (std::int64_t p = 0; p < k; p += kInnerBlock) {
    const std::int64_t inner = std::min(kInnerBlock, k - p);
    const T* left = a + p;
    const B* right = b + p * ldb;
    const bool add = p > 0;
    std::int64_t j = 0;
    if (m < kRows) {  // registers are free for more columns
      for (; j + 4 * kLanes <= n; j += 4 * kLanes) {
        strip<T, B, kBytes, kRows, 4>(left, lda, right + j, ldb, m, inner, alpha, add, c + j, ldc);
      }
    }
    for (; j + 2 * kLanes <= n; j += 2 * kLanes) {
      strip<T, B, kBytes, kRows, 2>(left, lda, right + j, ldb, m, inner, alpha, add, c + j, ldc);
    }
    for (; j + kLanes <= n; j += kLanes) {
      strip<T, B, kBytes, kRows, 1>(left, lda, right + j, ldb, m, inner, alpha, add, c + j, ldc);
    }
    for (; j < n; ++j) {
      for (std::int64_t i = 0; i < m; ++i) {
        one(left + i * lda, right + j, ldb, inner, alpha, add, c + i * ldc + j);
      }
    }
  }
}

template <typename T, typename B>
using Product = void (*)(const T*, std::int64_t, const B*, std::int64_t, std::int64_t, std::int64_t,
                         std::int64_t, T, T*, std::int64_t);

// The tile of each instruction set leaves registers for the operands: 32 of 64 bytes, 16 of 32, 16
// of 16.
#define LETHE_PRODUCT(name, T, B, bytes, rows)                                          \
  void name(const T* a, std::int64_t lda, const B* b, std::int64_t ldb, std::int64_t m, \
            std::int64_t n, std::int64_t k, T alpha, T* c, std::int64_t ldc) {          \
    product<T, B, bytes, rows>(a, lda, b, ldb, m, n, k, alpha, c, ldc);                 \
  }

#if LETHE_HAS_X86_LEVELS
#define LETHE_PRODUCTS(T, B)                                                            \
  __attribute__((target("arch=x86-64-v4"))) LETHE_PRODUCT(product_512, T, B, 64, 8)     \
      __attribute__((target("arch=x86-64-v3"))) LETHE_PRODUCT(product_256, T, B, 32, 6) \
          LETHE_PRODUCT(product_plain, T, B, 16, 4) Product<T, B>                       \
          choose(const T*, const B*) {                                                  \
    switch (x86_level()) {                                                              \
      case X86Level::kV4:                                                               \
        return product_512;                                                             \
      case X86Level::kV3:                                                               \
        return product_256;                                                             \
      case X86Level::kBase:                                                             \
        break;                                                                          \
    }                                                                                   \
    return product_plain;                                                               \
  }
#else
#define LETHE_PRODUCTS(T, B)                 \
  LETHE_PRODUCT(product_plain, T, B, 16, 4)  \
  Product<T, B> choose(const T*, const B*) { \
    return product_plain;                    \
  }
#endif
LETHE_PRODUCTS(float, float)
LETHE_PRODUCTS(double, double)
LETHE_PRODUCTS(float, lanes::Bf16)
LETHE_PRODUCTS(float, std::int8_t)
#undef LETHE_PRODUCTS
#undef LETHE_PRODUCT

}  // namespace

template <typename T, typename B>
void small_product(const T* a, std::int64_t lda, const B* b, std::int64_t ldb, std::int64_t m,
                   std::int64_t n, std::int64_t k, T alpha, T* c, std::int64_t ldc) {
  static const Product<T, B> kProduct =
      choose(static_cast<const T*>(nullptr), static_cast<const B*>(nullptr));
  kProduct(a, lda, b, ldb, m, n, k, alpha, c, ldc);
}

#define LETHE_INSTANTIATE(T, B)                                                                   \
  template void small_product<T, B>(const T*, std::int64_t, const B*, std::int64_t, std::int64_t, \
                                    std::int64_t, std::int64_t, T, T*, std::int64_t);
LETHE_INSTANTIATE(float, float)
LETHE_INSTANTIATE(double, double)
LETHE_INSTANTIATE(float, lanes::Bf16)
LETHE_INSTANTIATE(float, std::int8_t)
#undef LETHE_INSTANTIATE

}  // namespace lethe::models
