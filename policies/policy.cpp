// SPDX-License-Identifier: Apache-2.0
#include "policies/policy.h"

#include <type_traits>

#include "harness/base/error.h"
#include "harness/base/simd.h"

namespace lethe::policies {
namespace {

// Sums `heads` rows of `n` weights into `sum`, slot by slot. A row is multiplied by its factor
// first, and rounded, as if it had been stored that way.
template <typename T>
__attribute__((always_inline)) inline void sum_of_rows(const T* data, int heads, std::size_t stride,
                                                       std::size_t n, const T* factors,
                                                       std::size_t factor_stride,
                                                       T* __restrict sum) {
  for (int h = 0; h < heads; ++h) {
    const T* row = data + static_cast<std::size_t>(h) * stride;
    const T factor = factors ? factors[static_cast<std::size_t>(h) * factor_stride] : T(1);
    if (h == 0) {
      for (std::size_t i = 0; i < n; ++i) sum[i] = row[i] * factor;
    } else {
      for (std::size_t i = 0; i < n; ++i) sum[i] += row[i] * factor;
    }
  }
}

// target_clones does not apply to templates: one plain function per type carries the dispatch.
#define LETHE_INSTANTIATE(T)                                                                    \
  LETHE_MULTIVERSION void sum_rows(const T* data, int heads, std::size_t stride, std::size_t n, \
                                   const T* factors, std::size_t factor_stride,                 \
                                   T* __restrict sum) {                                         \
    sum_of_rows<T>(data, heads, stride, n, factors, factor_stride, sum);                        \
  }
LETHE_INSTANTIATE(float)
LETHE_INSTANTIATE(double)
#undef LETHE_INSTANTIATE

}  // namespace

double AttentionRows::at(int row, int head, std::size_t i) const {
  const std::size_t offset = static_cast<std::size_t>(row) * row_stride_ +
                             static_cast<std::size_t>(head) * head_stride_ +
                             static_cast<std::size_t>(order_[i]);
  return std::visit(
      [&](const auto& values) {
        const auto value = values.data[offset];
        if (!values.factors) return static_cast<double>(value);
        return static_cast<double>(value *
                                   values.factors[static_cast<std::size_t>(head) * factor_stride_]);
      },
      values_);
}

void AttentionRows::mean_over_heads(int row, std::span<double> out) const {
  std::visit(
      [&](const auto& values) {
        using T = std::remove_cvref_t<decltype(*values.data)>;
        thread_local std::vector<T> sum;
        sum.resize(slots_);
        sum_rows(values.data + static_cast<std::size_t>(row) * row_stride_, heads_, head_stride_,
                 slots_, values.factors, factor_stride_, sum.data());
        const T scale = T(1) / static_cast<T>(heads_);
        for (std::size_t i = 0; i < order_.size(); ++i) {
          out[i] = static_cast<double>(sum[static_cast<std::size_t>(order_[i])] * scale);
        }
      },
      values_);
}

void validate_plan(const EvictionPlan& plan, const CacheView& view, std::size_t budget,
                   const PolicyTraits& traits, const std::string& policy_name) {
  const auto fail = [&](const std::string& what) {
    return Error(ErrorKind::kPolicy, "policy '" + policy_name +
                                         "' returned an invalid plan at token " +
                                         std::to_string(view.step) + ": " + what);
  };
  if (plan.victims.size() != view.heads.size()) {
    throw fail("expected " + std::to_string(view.heads.size()) + " victim lists, found " +
               std::to_string(plan.victims.size()));
  }
  for (std::size_t h = 0; h < view.heads.size(); ++h) {
    const auto& victims = plan.victims[h];
    const std::size_t cached = view.heads[h].positions.size();
    const std::size_t surplus = cached > budget ? cached - budget : 0;
    for (std::size_t i = 0; i < victims.size(); ++i) {
      if (victims[i] >= cached) {
        throw fail("victim index " + std::to_string(victims[i]) + " of head " + std::to_string(h) +
                   " is outside the " + std::to_string(cached) + " cached tokens");
      }
      if (i > 0 && victims[i] <= victims[i - 1]) {
        throw fail("victim indices of head " + std::to_string(h) + " are not strictly ascending");
      }
    }
    const bool exact_count = traits.takes_budget && traits.fixed_size;
    if (exact_count && victims.size() != surplus) {
      throw fail("expected " + std::to_string(surplus) + " victims for head " + std::to_string(h) +
                 " (" + std::to_string(cached) + " cached, budget " + std::to_string(budget) +
                 "), found " + std::to_string(victims.size()));
    }
    if (traits.takes_budget && !exact_count && victims.size() < surplus) {
      throw fail("head " + std::to_string(h) + " stays over its cap of " + std::to_string(budget));
    }
  }
}

}  // namespace lethe::policies
