// SPDX-License-Identifier: Apache-2.0
// Compiled with -ffp-contract=fast: a multiply-add is one instruction where the CPU has it.
#include "models/engine/small_product.h"

#include <algorithm>
#include <cstring>

#include "harness/base/simd.h"
#include "models/transformer/lanes.h"

namespace lethe::models {
namespace {

// Of the inner dimension at once: a panel of b of two vectors' width stays in the first cache, and
// long sums are formed in parts, which keeps their rounding small.
constexpr std::int64_t kInnerBlock = 256;

template <typename T, int kBytes>
struct Wide {
  typedef T Vector __attribute__((vector_size(kBytes)));
  static constexpr std::int64_t kLanes = kBytes / static_cast<std::int64_t>(sizeof(T));
};

/// c[kRows][kVectors vectors] (+)= alpha * a · b, sums held in registers.
template <typename T, int kBytes, int kRows, int kVectors>
LETHE_INLINE void tile(const T* a, std::int64_t lda, const T* b, std::int64_t ldb, std::int64_t k,
                       T alpha, bool add, T* c, std::int64_t ldc) {
  using Vector = typename Wide<T, kBytes>::Vector;
  constexpr std::int64_t kLanes = Wide<T, kBytes>::kLanes;
  Vector sum[kRows][kVectors] = {};
  for (std::int64_t p = 0; p < k; ++p) {
    Vector right[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) std::memcpy(&right[v], b + p * ldb + v * kLanes, kBytes);
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

template <typename T>
LETHE_INLINE void one(const T* a, const T* b, std::int64_t ldb, std::int64_t k, T alpha, bool add,
                      T* c) {
  T sum = 0;
  for (std::int64_t p = 0; p < k; ++p) sum += a[p] * b[p * ldb];
  *c = add ? *c + sum * alpha : sum * alpha;
}

/// All rows of one strip of kVectors vectors.
template <typename T, int kBytes, int kRows, int kVectors>
LETHE_INLINE void strip(const T* a, std::int64_t lda, const T* b, std::int64_t ldb, std::int64_t m,
                        std::int64_t k, T alpha, bool add, T* c, std::int64_t ldc) {
  std::int64_t i = 0;
  for (; i + kRows <= m; i += kRows) {
    tile<T, kBytes, kRows, kVectors>(a + i * lda, lda, b, ldb, k, alpha, add, c + i * ldc, ldc);
  }
  for (; i < m; ++i) {
    tile<T, kBytes, 1, kVectors>(a + i * lda, lda, b, ldb, k, alpha, add, c + i * ldc, ldc);
  }
}

template <typename T, int kBytes, int kRows>
LETHE_INLINE void product(const T* a, std::int64_t lda, const T* b, std::int64_t ldb,
                          std::int64_t m, std::int64_t n, std::int64_t k, T alpha, T* c,
                          std::int64_t ldc) {
  constexpr std::int64_t kLanes = Wide<T, kBytes>::kLanes;
  for (std::int64_t p = 0; p < k; p += kInnerBlock) {
    const std::int64_t inner = std::min(kInnerBlock, k - p);
    const T* left = a + p;
    const T* right = b + p * ldb;
    const bool add = p > 0;
    std::int64_t j = 0;
    for (; j + 2 * kLanes <= n; j += 2 * kLanes) {
      strip<T, kBytes, kRows, 2>(left, lda, right + j, ldb, m, inner, alpha, add, c + j, ldc);
    }
    for (; j + kLanes <= n; j += kLanes) {
      strip<T, kBytes, kRows, 1>(left, lda, right + j, ldb, m, inner, alpha, add, c + j, ldc);
    }
    for (; j < n; ++j) {
      for (std::int64_t i = 0; i < m; ++i) {
        one<T>(left + i * lda, right + j, ldb, inner, alpha, add, c + i * ldc + j);
      }
    }
  }
}

template <typename T>
using Product = void (*)(const T*, std::int64_t, const T*, std::int64_t, std::int64_t, std::int64_t,
                         std::int64_t, T, T*, std::int64_t);

// The tile of each instruction set leaves registers for the operands: 32 of 64 bytes, 16 of 32, 16
// of 16.
#define LETHE_PRODUCT(name, T, bytes, rows)                                             \
  void name(const T* a, std::int64_t lda, const T* b, std::int64_t ldb, std::int64_t m, \
            std::int64_t n, std::int64_t k, T alpha, T* c, std::int64_t ldc) {          \
    product<T, bytes, rows>(a, lda, b, ldb, m, n, k, alpha, c, ldc);                    \
  }

#if LETHE_HAS_X86_LEVELS
#define LETHE_PRODUCTS(T)                                                            \
  __attribute__((target("arch=x86-64-v4"))) LETHE_PRODUCT(product_512, T, 64, 8)     \
      __attribute__((target("arch=x86-64-v3"))) LETHE_PRODUCT(product_256, T, 32, 6) \
          LETHE_PRODUCT(product_plain, T, 16, 4) Product<T>                          \
          choose(const T*) {                                                         \
    switch (x86_level()) {                                                           \
      case X86Level::kV4:                                                            \
        return product_512;                                                          \
      case X86Level::kV3:                                                            \
        return product_256;                                                          \
      case X86Level::kBase:                                                          \
        break;                                                                       \
    }                                                                                \
    return product_plain;                                                            \
  }
#else
#define LETHE_PRODUCTS(T)                \
  LETHE_PRODUCT(product_plain, T, 16, 4) \
  Product<T> choose(const T*) {          \
    return product_plain;                \
  }
#endif
LETHE_PRODUCTS(float)
LETHE_PRODUCTS(double)
#undef LETHE_PRODUCTS
#undef LETHE_PRODUCT

}  // namespace

template <typename T>
void small_product(const T* a, std::int64_t lda, const T* b, std::int64_t ldb, std::int64_t m,
                   std::int64_t n, std::int64_t k, T alpha, T* c, std::int64_t ldc) {
  static const Product<T> kProduct = choose(static_cast<const T*>(nullptr));
  kProduct(a, lda, b, ldb, m, n, k, alpha, c, ldc);
}

template void small_product<float>(const float*, std::int64_t, const float*, std::int64_t,
                                   std::int64_t, std::int64_t, std::int64_t, float, float*,
                                   std::int64_t);
template void small_product<double>(const double*, std::int64_t, const double*, std::int64_t,
                                    std::int64_t, std::int64_t, std::int64_t, double, double*,
                                    std::int64_t);

}  // namespace lethe::models
