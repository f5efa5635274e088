// SPDX-License-Identifier: Apache-2.0
#include "models/engine/block_attention.h"

#include <cmath>
#include <limits>

#include <ATen/ATen.h>

#include "models/transformer/lanes.h"
#include "models/transformer/parallel.h"

namespace lethe::models {
namespace {

constexpr std::int64_t kRowGrain = 8;
// Below this sum the exponentials were shifted by a score that has left the cache and is far above
// all that stayed: the row is computed again, so that no small weight is lost to underflow.
constexpr double kTinySum = 1e-8;

}  // namespace

BlockAttention::BlockAttention(const Decoder& decoder, std::int64_t block_rows,
                               std::int64_t most_slots)
    : shape_(decoder.qkv_shape()), group_(shape_.n_heads / shape_.n_kv_heads) {
  const auto options = at::TensorOptions(decoder.precision().compute);
  query_buffer_ = at::empty({shape_.n_heads * block_rows * shape_.head_dim}, options);
  score_buffer_ = at::empty({shape_.n_heads * block_rows * lanes::round_up(most_slots)}, options);
  output_buffer_ = at::empty_like(query_buffer_);
}

std::size_t BlockAttention::table_of(std::int64_t head) const {
  return life_.size() == 1 ? 0 : static_cast<std::size_t>(head / group_);
}

template <typename T>
T* BlockAttention::score_row(std::int64_t head, std::int64_t row, std::int64_t rows) {
  return score_buffer_.mutable_data_ptr<T>() + (head * rows + row) * columns_;
}

template <typename T>
void BlockAttention::run(const T* qkv, std::int64_t rows, std::int64_t first_position,
                         LayerCache& cache, LayerPolicy& policy, T* out) {
  cache.release_freed();
  new_slots_.clear();
  for (std::int64_t r = 0; r < rows; ++r) new_slots_.push_back(cache.write(qkv + r * shape_.row()));
  columns_ = lanes::round_up(cache.high_water());

  life_.resize(cache.tables().size());
  for (std::size_t t = 0; t < life_.size(); ++t) {
    life_[t].reset(static_cast<std::size_t>(columns_));
    const auto born = [&](std::int32_t slot, std::int32_t row) {
      life_[t].first[static_cast<std::size_t>(slot)] = row;
      life_[t].last[static_cast<std::size_t>(slot)] = std::numeric_limits<std::int32_t>::max();
    };
    for (const std::int32_t slot : cache.tables()[t].order()) born(slot, 0);
    for (std::int64_t r = 0; r < rows; ++r) {
      born(new_slots_[static_cast<std::size_t>(r)][t], static_cast<std::int32_t>(r));
    }
  }

  // Scores of all rows against all slots: [kv_heads, group * rows, columns].
  const std::int64_t elements = shape_.n_heads * rows * shape_.head_dim;
  kernels::gather_queries<T>(qkv, rows, shape_, query_buffer_.mutable_data_ptr<T>());
  const at::Tensor queries = query_buffer_.narrow(0, 0, elements)
                                 .view({shape_.n_kv_heads, group_ * rows, shape_.head_dim});
  at::Tensor scores = score_buffer_.narrow(0, 0, shape_.n_heads * rows * columns_)
                          .view({shape_.n_kv_heads, group_ * rows, columns_});
  const auto compute = query_buffer_.scalar_type();
  keys_ = cache.keys().narrow(1, 0, columns_).to(compute);
  at::baddbmm_out(scores, scores, queries, keys_.transpose(1, 2), /*beta=*/0,
                  /*alpha=*/1.0 / std::sqrt(static_cast<double>(shape_.head_dim)));

  if (policy.traits().reads_attention) {
    decide_by_attention<T>(rows, first_position, cache, policy);
  } else {
    decide_ahead<T>(rows, first_position, cache, policy);
  }

  at::Tensor output = output_buffer_.narrow(0, 0, elements)
                          .view({shape_.n_kv_heads, group_ * rows, shape_.head_dim});
  at::bmm_out(output, scores, cache.values().narrow(1, 0, columns_).to(compute));
  kernels::scatter_heads<T>(output_buffer_.const_data_ptr<T>(), rows, shape_, out);
}

void BlockAttention::commit_row(std::int64_t row, std::int64_t first_position, LayerCache& cache) {
  const auto& slots = new_slots_[static_cast<std::size_t>(row)];
  for (std::size_t t = 0; t < slots.size(); ++t) cache.commit(t, first_position + row, slots[t]);
}

void BlockAttention::mark_evicted(const std::vector<std::vector<std::int32_t>>& freed,
                                  std::int64_t row) {
  for (std::size_t t = 0; t < freed.size(); ++t) {
    for (const std::int32_t slot : freed[t]) {
      life_[t].last[static_cast<std::size_t>(slot)] = static_cast<std::int32_t>(row);
    }
  }
}

template <typename T>
void BlockAttention::exponentials(std::int64_t rows, bool normalise) {
  parallel_rows(shape_.n_heads * rows, kRowGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t head = i / rows, row = i % rows;
      T* weights = score_row<T>(head, row, rows);
      const auto columns = static_cast<std::size_t>(columns_);
      const T sum =
          exp_alive<T>(weights, columns, life_[table_of(head)], static_cast<std::int32_t>(row));
      if (normalise) scale_row<T>(weights, columns, T(1) / sum);
    }
  });
}

// The banded path: who leaves does not depend on attention, so all decisions come first and every
// row is then finished on its own, in parallel.
template <typename T>
void BlockAttention::decide_ahead(std::int64_t rows, std::int64_t first_position, LayerCache& cache,
                                  LayerPolicy& policy) {
  const AttentionOf none = [](std::size_t, std::span<const std::int32_t>) {
    return policies::AttentionRows();
  };
  for (std::int64_t r = 0; r < rows; ++r) {
    commit_row(r, first_position, cache);
    mark_evicted(policy.after_token(first_position + r, cache, none), r);
  }
  exponentials<T>(rows, /*normalise=*/true);
}

// Row by row: mask, normalise, hand the row to the policy, clear the victim's column for later
// rows. The exponentials, most of the work, come first and in parallel; their shift is the largest
// score among all columns that could be alive, which is exact whatever the shift.
template <typename T>
void BlockAttention::decide_by_attention(std::int64_t rows, std::int64_t first_position,
                                         LayerCache& cache, LayerPolicy& policy) {
  // While everything fits, no column dies and the rows are final at once.
  const bool all_stay = policy.keeps_all(cache, rows);
  exponentials<T>(rows, /*normalise=*/all_stay);
  const auto columns = static_cast<std::size_t>(columns_);
  for (std::int64_t r = 0; r < rows; ++r) {
    commit_row(r, first_position, cache);
    for (std::int64_t head = 0; !all_stay && head < shape_.n_heads; ++head) {
      T* weights = score_row<T>(head, r, rows);
      const ColumnLife& life = life_[table_of(head)];
      T sum = clear_dead<T>(weights, columns, life, static_cast<std::int32_t>(r));
      if (static_cast<double>(sum) < kTinySum) sum = recompute_row<T>(head, r, rows);
      scale_row<T>(weights, columns, T(1) / sum);
    }
    const AttentionOf attention = [&](std::size_t table, std::span<const std::int32_t> order) {
      const bool whole_layer = life_.size() == 1;
      const std::int64_t first_head = whole_layer ? 0 : static_cast<std::int64_t>(table) * group_;
      const std::int64_t heads = whole_layer ? shape_.n_heads : group_;
      return policies::AttentionRows(score_row<T>(first_head, r, rows), 1, static_cast<int>(heads),
                                     columns, columns * static_cast<std::size_t>(rows), columns,
                                     order);
    };
    mark_evicted(policy.after_token(first_position + r, cache, attention), r);
  }
}

// The raw scores are gone (overwritten by their exponentials): form them again for this row.
template <typename T>
T BlockAttention::recompute_row(std::int64_t head, std::int64_t row, std::int64_t rows) {
  const std::int64_t d = shape_.head_dim;
  const T* query = query_buffer_.const_data_ptr<T>() + (head * rows + row) * d;
  const at::Tensor head_keys = keys_[head / group_];  // [columns, head_dim], contiguous rows
  const T* keys = head_keys.const_data_ptr<T>();
  const T scale = T(1) / std::sqrt(static_cast<T>(d));
  T* scores = score_row<T>(head, row, rows);
  for (std::int64_t c = 0; c < columns_; ++c) {
    T dot = 0;
    for (std::int64_t i = 0; i < d; ++i) dot += query[i] * keys[c * d + i];
    scores[c] = dot * scale;
  }
  return exp_alive<T>(scores, static_cast<std::size_t>(columns_), life_[table_of(head)],
                      static_cast<std::int32_t>(row));
}

template void BlockAttention::run<float>(const float*, std::int64_t, std::int64_t, LayerCache&,
                                         LayerPolicy&, float*);
template void BlockAttention::run<double>(const double*, std::int64_t, std::int64_t, LayerCache&,
                                          LayerPolicy&, double*);

}  // namespace lethe::models
