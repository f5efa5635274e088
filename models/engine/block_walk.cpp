// SPDX-License-Identifier: Apache-2.0
#include "models/engine/block_walk.h"

#include <limits>

#include <ATen/ATen.h>

#include "models/transformer/lanes.h"

namespace lethe::models {
namespace {

// Below this sum the exponentials were shifted by a score that has left the cache and is far above
// all that stayed: the row is computed again, so that no small weight is lost to underflow.
constexpr double kTinySum = 1e-8;

}  // namespace

template <typename T>
BlockWalk<T>::BlockWalk(const kernels::QkvShape& shape, std::int64_t block_rows, bool pinned)
    : shape_(shape),
      group_(shape.n_heads / shape.n_kv_heads),
      block_rows_(block_rows),
      score_options_(at::TensorOptions(c10::CppTypeToScalarType<T>::value).pinned_memory(pinned)),
      scores_(at::empty({0}, score_options_)),
      factors_(static_cast<std::size_t>(shape.n_heads * block_rows)),
      offsets_(static_cast<std::size_t>(shape.n_heads)) {}

template <typename T>
std::span<const std::int32_t> BlockWalk<T>::new_slots(std::int64_t row) const {
  return std::span(new_slots_).subspan(static_cast<std::size_t>(row) * tables(), tables());
}

template <typename T>
void BlockWalk<T>::begin(const at::Tensor& qkv, std::int64_t first_position, LayerCache& cache) {
  rows_ = qkv.size(0);
  first_position_ = first_position;
  cache.release_freed();
  life_.resize(cache.tables().size());
  columns_.resize(tables());
  new_slots_.resize(static_cast<std::size_t>(rows_) * tables());
  cache.write(qkv, new_slots_);
  for (std::size_t t = 0; t < tables(); ++t) {
    columns_[t] = lanes::round_up(cache.tables()[t].high_water());
    life_[t].reset(static_cast<std::size_t>(columns_[t]));
    const auto born = [&](std::int32_t slot, std::int32_t row) {
      life_[t].first[static_cast<std::size_t>(slot)] = row;
      life_[t].last[static_cast<std::size_t>(slot)] = std::numeric_limits<std::int32_t>::max();
    };
    for (const std::int32_t slot : cache.tables()[t].order()) born(slot, 0);
    for (std::int64_t r = 0; r < rows_; ++r) born(new_slots(r)[t], static_cast<std::int32_t>(r));
  }
}

template <typename T>
void BlockWalk<T>::mark_evicted(const std::vector<std::vector<std::int32_t>>& freed,
                                std::int64_t row) {
  for (std::size_t t = 0; t < freed.size(); ++t) {
    for (const std::int32_t slot : freed[t]) {
      life_[t].last[static_cast<std::size_t>(slot)] = static_cast<std::int32_t>(row);
    }
  }
}

template <typename T>
void BlockWalk<T>::decide(LayerCache& cache, LayerPolicy& policy) {
  const AttentionOf none = [](std::size_t, std::span<const std::int32_t>) {
    return policies::AttentionRows();
  };
  for (std::int64_t r = 0; r < rows_; ++r) {
    cache.commit(first_position_ + r, new_slots(r));
    mark_evicted(policy.after_token(first_position_ + r, cache, none), r);
  }
}

template <typename T>
void BlockWalk<T>::expect_scores(const LayerPolicy& policy, const LayerCache& cache) {
  settled_ = policy.rows_before_loss(first_position_, rows_, cache);
  elements_ = 0;
  for (std::int64_t head = 0; head < shape_.n_heads; ++head) {
    offsets_[static_cast<std::size_t>(head)] = elements_;
    elements_ += rows_ * columns_[table_of(head)];
  }
  if (scores_.numel() < elements_) scores_ = at::empty({elements_}, score_options_);
}

template <typename T>
void BlockWalk<T>::weigh(std::int64_t head, std::int64_t row) {
  const std::size_t table = table_of(head);
  const T sum = exp_alive<T>(score_row(head, row), static_cast<std::size_t>(columns_[table]),
                             life_[table], static_cast<std::int32_t>(row));
  factor(head, row) = row < settled_ ? T(1) / sum : T(0);
}

// Sum of the exponentials that are alive by now. Where it is too small to divide by, the row's
// scores are formed again: they were overwritten by their exponentials.
template <typename T>
T BlockWalk<T>::sum_of_row(std::int64_t head, std::int64_t row, const Rescore& rescore) {
  T* weights = score_row(head, row);
  const std::size_t table = table_of(head);
  const auto columns = static_cast<std::size_t>(columns_[table]);
  const auto at = static_cast<std::int32_t>(row);
  const T sum = sum_alive<T>(weights, columns, life_[table], at);
  if (static_cast<double>(sum) >= kTinySum) return sum;
  rescore(head, row, weights);
  return exp_alive<T>(weights, columns, life_[table], at);
}

template <typename T>
T BlockWalk<T>::factor_of(std::int64_t head, std::int64_t row, const Rescore& rescore) {
  T& scale = factor(head, row);
  if (scale == T(0)) scale = T(1) / sum_of_row(head, row, rescore);
  return scale;
}

template <typename T>
void BlockWalk<T>::decide_by_attention(LayerCache& cache, LayerPolicy& policy,
                                       const Rescore& rescore) {
  std::int64_t r = 0;
  const AttentionOf attention = [&](std::size_t table, std::span<const std::int32_t> order) {
    const bool whole_layer = tables() == 1;
    const std::int64_t first_head = whole_layer ? 0 : static_cast<std::int64_t>(table) * group_;
    const std::int64_t heads = whole_layer ? shape_.n_heads : group_;
    const auto columns = static_cast<std::size_t>(columns_[table]);
    return policies::AttentionRows(score_row(first_head, r), 1, static_cast<int>(heads), columns,
                                   columns * static_cast<std::size_t>(rows_), columns, order)
        .scaled_by(&factor(first_head, r), static_cast<std::size_t>(block_rows_));
  };
  for (; r < rows_; ++r) {
    const std::int64_t position = first_position_ + r;
    cache.commit(position, new_slots(r));
    if (r >= settled_ && policy.reads_row(position, cache)) {
      for (std::int64_t head = 0; head < shape_.n_heads; ++head) {
        factor(head, r) = T(1) / sum_of_row(head, r, rescore);
      }
    }
    mark_evicted(policy.after_token(position, cache, attention), r);
  }
}

template class BlockWalk<float>;
template class BlockWalk<double>;

}  // namespace lethe::models
