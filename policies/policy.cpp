// SPDX-License-Identifier: Apache-2.0
#include "policies/policy.h"

#include <algorithm>

#include "harness/base/error.h"
#include "harness/base/simd.h"

namespace lethe::policies {
namespace {

// Sums `heads` rows of `n` weights into `sum`, slot by slot.
LETHE_MULTIVERSION void sum_rows(const float* data, int heads, std::size_t stride, std::size_t n,
                                 float* __restrict sum) {
  std::copy(data, data + n, sum);
  for (int h = 1; h < heads; ++h) {
    const float* row = data + static_cast<std::size_t>(h) * stride;
    for (std::size_t i = 0; i < n; ++i) sum[i] += row[i];
  }
}

LETHE_MULTIVERSION void sum_rows(const double* data, int heads, std::size_t stride, std::size_t n,
                                 double* __restrict sum) {
  std::copy(data, data + n, sum);
  for (int h = 1; h < heads; ++h) {
    const double* row = data + static_cast<std::size_t>(h) * stride;
    for (std::size_t i = 0; i < n; ++i) sum[i] += row[i];
  }
}

template <typename T>
void gather_mean(const T* data, int heads, std::size_t stride, std::size_t slots,
                 std::span<const std::int32_t> order, std::span<double> out) {
  thread_local std::vector<T> sum;
  sum.resize(slots);
  sum_rows(data, heads, stride, slots, sum.data());
  const T scale = T(1) / static_cast<T>(heads);
  for (std::size_t i = 0; i < order.size(); ++i) {
    out[i] = static_cast<double>(sum[static_cast<std::size_t>(order[i])] * scale);
  }
}

}  // namespace

AttentionRows::AttentionRows(const float* data, int rows, int heads, std::size_t row_stride,
                             std::size_t head_stride, std::size_t slots,
                             std::span<const std::int32_t> order)
    : f32_(data),
      rows_(rows),
      heads_(heads),
      row_stride_(row_stride),
      head_stride_(head_stride),
      slots_(slots),
      order_(order) {}

AttentionRows::AttentionRows(const double* data, int rows, int heads, std::size_t row_stride,
                             std::size_t head_stride, std::size_t slots,
                             std::span<const std::int32_t> order)
    : f64_(data),
      rows_(rows),
      heads_(heads),
      row_stride_(row_stride),
      head_stride_(head_stride),
      slots_(slots),
      order_(order) {}

double AttentionRows::at(int row, int head, std::size_t i) const {
  const std::size_t offset = static_cast<std::size_t>(row) * row_stride_ +
                             static_cast<std::size_t>(head) * head_stride_ +
                             static_cast<std::size_t>(order_[i]);
  return f64_ ? f64_[offset] : static_cast<double>(f32_[offset]);
}

void AttentionRows::mean_over_heads(int row, std::span<double> out) const {
  const std::size_t offset = static_cast<std::size_t>(row) * row_stride_;
  if (f64_) {
    gather_mean(f64_ + offset, heads_, head_stride_, slots_, order_, out);
  } else {
    gather_mean(f32_ + offset, heads_, head_stride_, slots_, order_, out);
  }
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
