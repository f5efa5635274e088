// SPDX-License-Identifier: Apache-2.0
#include "models/engine/block_attention.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <ATen/ATen.h>

#include "models/engine/small_product.h"
#include "models/transformer/lanes.h"
#include "models/transformer/parallel.h"

namespace lethe::models {
namespace {

// Rows of one head that a thread takes at once: their scores against a thousand columns fit its
// second cache.
constexpr std::int64_t kTileRows = 32;
// Below this sum the exponentials were shifted by a score that has left the cache and is far above
// all that stayed: the row is computed again, so that no small weight is lost to underflow.
constexpr double kTinySum = 1e-8;

/// Calls body(head, row, count) for every tile of a block, in parallel.
template <typename Body>
void for_each_tile(std::int64_t heads, std::int64_t rows, const Body& body) {
  const std::int64_t tiles = (rows + kTileRows - 1) / kTileRows;
  parallel_rows(heads * tiles, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t row = i % tiles * kTileRows;
      body(i / tiles, row, std::min(kTileRows, rows - row));
    }
  });
}

}  // namespace

BlockAttention::BlockAttention(const Decoder& decoder, std::int64_t block_rows)
    : shape_(decoder.qkv_shape()),
      group_(shape_.n_heads / shape_.n_kv_heads),
      block_rows_(block_rows),
      compute_(decoder.precision().compute) {
  factor_buffer_ = at::empty({shape_.n_heads * block_rows}, compute_);
  score_buffer_ = at::empty({0}, compute_);
  offsets_.resize(static_cast<std::size_t>(shape_.n_heads));
  keys_.resize(static_cast<std::size_t>(shape_.n_kv_heads));
  values_.resize(static_cast<std::size_t>(shape_.n_kv_heads));
}

std::size_t BlockAttention::table_of(std::int64_t head) const {
  return life_.size() == 1 ? 0 : static_cast<std::size_t>(head / group_);
}

std::span<const std::int32_t> BlockAttention::new_slots(std::int64_t row) const {
  const std::size_t tables = life_.size();
  return std::span(new_slots_).subspan(static_cast<std::size_t>(row) * tables, tables);
}

template <typename T>
T* BlockAttention::score_row(std::int64_t head, std::int64_t row) {
  return score_buffer_.mutable_data_ptr<T>() + offsets_[static_cast<std::size_t>(head)] +
         row * columns_[table_of(head)];
}

template <typename T>
T& BlockAttention::factor(std::int64_t head, std::int64_t row) {
  return factor_buffer_.mutable_data_ptr<T>()[head * block_rows_ + row];
}

template <typename T>
void BlockAttention::run(const T* qkv, std::int64_t rows, std::int64_t first_position,
                         LayerCache& cache, LayerPolicy& policy, T* out) {
  Block<T> block{qkv, rows, first_position, out};
  lay_out(block, cache);
  widen<T>(cache);
  if (policy.traits().reads_attention) {
    block.settled = policy.rows_before_loss(first_position, rows, cache);
    std::int64_t elements = 0;
    for (std::int64_t head = 0; head < shape_.n_heads; ++head) {
      offsets_[static_cast<std::size_t>(head)] = elements;
      elements += rows * columns_[table_of(head)];
    }
    if (score_buffer_.numel() < elements) score_buffer_ = at::empty({elements}, compute_);
    weigh(block);
    decide_by_attention(block, cache, policy);
    attend(block);
  } else {
    decide_ahead(block, cache, policy);
    weigh_and_attend(block);
  }
}

// The block's tokens get their slots; a column lives from its token's row on.
template <typename T>
void BlockAttention::lay_out(const Block<T>& block, LayerCache& cache) {
  cache.release_freed();
  const std::size_t tables = cache.tables().size();
  new_slots_.resize(static_cast<std::size_t>(block.rows) * tables);
  for (std::int64_t r = 0; r < block.rows; ++r) {
    cache.write(block.qkv + r * shape_.row(),
                std::span(new_slots_).subspan(static_cast<std::size_t>(r) * tables, tables));
  }
  life_.resize(tables);
  columns_.resize(tables);
  for (std::size_t t = 0; t < tables; ++t) {
    columns_[t] = lanes::round_up(cache.tables()[t].high_water());
    life_[t].reset(static_cast<std::size_t>(columns_[t]));
    const auto born = [&](std::int32_t slot, std::int32_t row) {
      life_[t].first[static_cast<std::size_t>(slot)] = row;
      life_[t].last[static_cast<std::size_t>(slot)] = std::numeric_limits<std::int32_t>::max();
    };
    for (const std::int32_t slot : cache.tables()[t].order()) born(slot, 0);
    for (std::int64_t r = 0; r < block.rows; ++r) {
      born(new_slots(r)[t], static_cast<std::int32_t>(r));
    }
  }
}

// Where each KV head's keys and values are, in the compute type.
template <typename T>
void BlockAttention::widen(LayerCache& cache) {
  const std::int64_t d = shape_.head_dim;
  for (std::size_t t = 0; t < cache.tables().size(); ++t) {
    at::Tensor keys = cache.keys(t), values = cache.values(t);
    if (keys.scalar_type() != compute_) {
      keys = keys.narrow(2, 0, columns_[t]).to(compute_).contiguous();
      values = values.narrow(1, 0, columns_[t]).to(compute_).contiguous();
    }
    const std::int64_t heads = cache.heads_per_table();
    for (std::int64_t h = 0; h < heads; ++h) {
      const auto kv_head = t * static_cast<std::size_t>(heads) + static_cast<std::size_t>(h);
      keys_[kv_head] = {keys, h * d * keys.size(2), keys.size(2)};
      values_[kv_head] = {values, h * d * values.size(1), d};
    }
  }
}

// scores[count][columns] = q · k / sqrt(head_dim) of rows `row` … of one head.
template <typename T>
void BlockAttention::scores(const Block<T>& block, std::int64_t head, std::int64_t row,
                            std::int64_t count, T* scores) const {
  const Operand& keys = keys_[static_cast<std::size_t>(head / group_)];
  const std::int64_t columns = columns_[table_of(head)];
  small_product<T>(block.qkv + row * shape_.row() + head * shape_.head_dim, shape_.row(),
                   keys.held.const_data_ptr<T>() + keys.offset, keys.stride, count, columns,
                   shape_.head_dim, T(1) / std::sqrt(static_cast<T>(shape_.head_dim)), scores,
                   columns);
}

template <typename T>
void BlockAttention::output(const Block<T>& block, std::int64_t head, std::int64_t row,
                            std::int64_t count, const T* weights) const {
  const Operand& values = values_[static_cast<std::size_t>(head / group_)];
  const std::int64_t columns = columns_[table_of(head)], width = shape_.n_heads * shape_.head_dim;
  small_product<T>(weights, columns, values.held.const_data_ptr<T>() + values.offset, values.stride,
                   count, shape_.head_dim, columns, T(1),
                   block.out + row * width + head * shape_.head_dim, width);
}

void BlockAttention::mark_evicted(const std::vector<std::vector<std::int32_t>>& freed,
                                  std::int64_t row) {
  for (std::size_t t = 0; t < freed.size(); ++t) {
    for (const std::int32_t slot : freed[t]) {
      life_[t].last[static_cast<std::size_t>(slot)] = static_cast<std::int32_t>(row);
    }
  }
}

// The banded path: who leaves does not depend on attention, so all decisions come first and every
// row is then finished on its own, in parallel.
template <typename T>
void BlockAttention::decide_ahead(const Block<T>& block, LayerCache& cache, LayerPolicy& policy) {
  const AttentionOf none = [](std::size_t, std::span<const std::int32_t>) {
    return policies::AttentionRows();
  };
  for (std::int64_t r = 0; r < block.rows; ++r) {
    cache.commit(block.first_position + r, new_slots(r));
    mark_evicted(policy.after_token(block.first_position + r, cache, none), r);
  }
}

template <typename T>
void BlockAttention::weigh_and_attend(const Block<T>& block) {
  for_each_tile(shape_.n_heads, block.rows,
                [&](std::int64_t head, std::int64_t row, std::int64_t count) {
                  thread_local std::vector<T> weights;
                  const auto columns = static_cast<std::size_t>(columns_[table_of(head)]);
                  const ColumnLife& life = life_[table_of(head)];
                  weights.resize(static_cast<std::size_t>(count) * columns);
                  scores(block, head, row, count, weights.data());
                  for (std::int64_t r = 0; r < count; ++r) {
                    T* w = weights.data() + static_cast<std::size_t>(r) * columns;
                    const auto at = static_cast<std::int32_t>(row + r);
                    scale_alive<T>(w, columns, life, at, T(1) / exp_alive<T>(w, columns, life, at));
                  }
                  output(block, head, row, count, weights.data());
                });
}

// Exponentials of every row over all columns that could be alive in it; most of the work, in
// parallel. Their shift is the largest of those scores, and softmax is exact whatever the shift.
template <typename T>
void BlockAttention::weigh(const Block<T>& block) {
  for_each_tile(
      shape_.n_heads, block.rows, [&](std::int64_t head, std::int64_t row, std::int64_t count) {
        const auto columns = static_cast<std::size_t>(columns_[table_of(head)]);
        const ColumnLife& life = life_[table_of(head)];
        scores(block, head, row, count, score_row<T>(head, row));
        for (std::int64_t r = row; r < row + count; ++r) {
          const T sum =
              exp_alive<T>(score_row<T>(head, r), columns, life, static_cast<std::int32_t>(r));
          factor<T>(head, r) = r < block.settled ? T(1) / sum : T(0);
        }
      });
}

// Sum of the exponentials that are alive by now. Where it is too small to divide by, the row's
// scores are formed again: they were overwritten by their exponentials.
template <typename T>
T BlockAttention::sum_of_row(const Block<T>& block, std::int64_t head, std::int64_t row) {
  T* weights = score_row<T>(head, row);
  const auto columns = static_cast<std::size_t>(columns_[table_of(head)]);
  const ColumnLife& life = life_[table_of(head)];
  const auto at = static_cast<std::int32_t>(row);
  const T sum = sum_alive<T>(weights, columns, life, at);
  if (static_cast<double>(sum) >= kTinySum) return sum;
  scores(block, head, row, 1, weights);
  return exp_alive<T>(weights, columns, life, at);
}

// Row by row: normalise, hand the row to the policy, end the victim's column for later rows. Only
// what the policy reads is done here; attend() does the rest in parallel.
template <typename T>
void BlockAttention::decide_by_attention(const Block<T>& block, LayerCache& cache,
                                         LayerPolicy& policy) {
  std::int64_t r = 0;
  const AttentionOf attention = [&](std::size_t table, std::span<const std::int32_t> order) {
    const bool whole_layer = life_.size() == 1;
    const std::int64_t first_head = whole_layer ? 0 : static_cast<std::int64_t>(table) * group_;
    const std::int64_t heads = whole_layer ? shape_.n_heads : group_;
    const auto columns = static_cast<std::size_t>(columns_[table]);
    return policies::AttentionRows(score_row<T>(first_head, r), 1, static_cast<int>(heads), columns,
                                   columns * static_cast<std::size_t>(block.rows), columns, order)
        .scaled_by(&factor<T>(first_head, r), static_cast<std::size_t>(block_rows_));
  };
  for (; r < block.rows; ++r) {
    const std::int64_t position = block.first_position + r;
    cache.commit(position, new_slots(r));
    if (r >= block.settled && policy.reads_row(position, cache)) {
      for (std::int64_t head = 0; head < shape_.n_heads; ++head) {
        factor<T>(head, r) = T(1) / sum_of_row(block, head, r);
      }
    }
    mark_evicted(policy.after_token(position, cache, attention), r);
  }
}

template <typename T>
void BlockAttention::attend(const Block<T>& block) {
  for_each_tile(shape_.n_heads, block.rows,
                [&](std::int64_t head, std::int64_t row, std::int64_t count) {
                  const auto columns = static_cast<std::size_t>(columns_[table_of(head)]);
                  for (std::int64_t r = row; r < row + count; ++r) {
                    T& scale = factor<T>(head, r);
                    if (scale == T(0)) scale = T(1) / sum_of_row(block, head, r);
                    scale_alive<T>(score_row<T>(head, r), columns, life_[table_of(head)],
                                   static_cast<std::int32_t>(r), scale);
                  }
                  output(block, head, row, count, score_row<T>(head, row));
                });
}

template void BlockAttention::run<float>(const float*, std::int64_t, std::int64_t, LayerCache&,
                                         LayerPolicy&, float*);
template void BlockAttention::run<double>(const double*, std::int64_t, std::int64_t, LayerCache&,
                                          LayerPolicy&, double*);

}  // namespace lethe::models
