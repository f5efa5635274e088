// SPDX-License-Identifier: Apache-2.0
// The matrix products of attention on the host: a few rows against the cached tokens. Too small and
// too many for a general library, which spends more time on packing and threads than on them.
#pragma once

#include <cstdint>

#include "models/transformer/lanes.h"

namespace lethe::models {

/// c[m][n] = alpha * a[m][k] · b[k][n], row-major with row strides lda, ldb, ldc in elements; one
/// thread. AVX-512, AVX2 or plain code by what the CPU has. A row of `c` is summed in the order of
/// k and does not depend on m or n. `b` is of the compute type, or for float also lanes::Bf16 or
/// std::int8_t, which are widened as they are read.
template <typename T, typename B>
void small_product(const T* a, std::int64_t lda, const B* b, std::int64_t ldb, std::int64_t m,
                   std::int64_t n, std::int64_t k, T alpha, T* c, std::int64_t ldc);

}  // namespace lethe::models
