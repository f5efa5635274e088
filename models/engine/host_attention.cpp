// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <vector>

#include <ATen/ATen.h>

#include "models/engine/block_attention.h"
#include "models/engine/block_tiles.h"
#include "models/engine/block_walk.h"
#include "models/engine/small_product.h"

namespace lethe::models {
namespace {

/// Where the product kernels read one KV head.
struct Operand {
  at::Tensor held;  ///< of the cache, or widened from bfloat16
  std::int64_t offset = 0;
  std::int64_t stride = 0;
};

template <typename T>
class HostAttention final : public BlockAttention {
 public:
  HostAttention(const Decoder& decoder, std::int64_t block_rows)
      : shape_(decoder.qkv_shape()),
        group_(shape_.n_heads / shape_.n_kv_heads),
        compute_(decoder.precision().compute),
        walk_(shape_, block_rows, /*pinned=*/false),
        keys_(static_cast<std::size_t>(shape_.n_kv_heads)),
        values_(static_cast<std::size_t>(shape_.n_kv_heads)) {}

  void run(const at::Tensor& qkv, std::int64_t first_position, LayerCache& cache,
           LayerPolicy& policy, const at::Tensor& out) override {
    qkv_ = qkv.const_data_ptr<T>();
    out_ = out.mutable_data_ptr<T>();
    walk_.begin(qkv, first_position, cache);
    widen(cache);
    if (policy.traits().reads_attention) {
      walk_.expect_scores(policy, cache);
      weigh();
      walk_.decide_by_attention(cache, policy, rescore_);
      attend();
    } else {
      // The banded path: who leaves does not depend on attention, so all decisions come first and
      // every row is then finished on its own, in parallel.
      walk_.decide(cache, policy);
      weigh_and_attend();
    }
  }

 private:
  // Where each KV head's keys and values are, in the compute type.
  void widen(const LayerCache& cache) {
    const std::int64_t d = shape_.head_dim;
    for (std::size_t t = 0; t < walk_.tables(); ++t) {
      at::Tensor keys = cache.keys(t), values = cache.values(t);
      if (keys.scalar_type() != compute_) {
        keys = keys.narrow(2, 0, walk_.columns(t)).to(compute_).contiguous();
        values = values.narrow(1, 0, walk_.columns(t)).to(compute_).contiguous();
      }
      const std::int64_t heads = cache.heads_per_table();
      for (std::int64_t h = 0; h < heads; ++h) {
        const auto kv_head = t * static_cast<std::size_t>(heads) + static_cast<std::size_t>(h);
        keys_[kv_head] = {keys, h * d * keys.size(2), keys.size(2)};
        values_[kv_head] = {values, h * d * values.size(1), d};
      }
    }
  }

  std::int64_t columns_of(std::int64_t head) const { return walk_.columns(walk_.table_of(head)); }

  // scores[count][columns] = q · k / sqrt(head_dim) of rows `row` … of one head.
  void scores(std::int64_t head, std::int64_t row, std::int64_t count, T* scores) const {
    const Operand& keys = keys_[static_cast<std::size_t>(head / group_)];
    const std::int64_t columns = columns_of(head);
    small_product<T>(qkv_ + row * shape_.row() + head * shape_.head_dim, shape_.row(),
                     keys.held.const_data_ptr<T>() + keys.offset, keys.stride, count, columns,
                     shape_.head_dim, T(1) / std::sqrt(static_cast<T>(shape_.head_dim)), scores,
                     columns);
  }

  void output(std::int64_t head, std::int64_t row, std::int64_t count, const T* weights) const {
    const Operand& values = values_[static_cast<std::size_t>(head / group_)];
    const std::int64_t columns = columns_of(head), width = shape_.n_heads * shape_.head_dim;
    small_product<T>(weights, columns, values.held.const_data_ptr<T>() + values.offset,
                     values.stride, count, shape_.head_dim, columns, T(1),
                     out_ + row * width + head * shape_.head_dim, width);
  }

  void weigh_and_attend() {
    for_each_tile(
        shape_.n_heads, walk_.rows(), [&](std::int64_t head, std::int64_t row, std::int64_t count) {
          thread_local std::vector<T> weights;
          const auto columns = static_cast<std::size_t>(columns_of(head));
          const ColumnLife& life = walk_.life(walk_.table_of(head));
          weights.resize(static_cast<std::size_t>(count) * columns);
          scores(head, row, count, weights.data());
          for (std::int64_t r = 0; r < count; ++r) {
            T* w = weights.data() + static_cast<std::size_t>(r) * columns;
            const auto at = static_cast<std::int32_t>(row + r);
            scale_alive<T>(w, columns, life, at, T(1) / exp_alive<T>(w, columns, life, at));
          }
          output(head, row, count, weights.data());
        });
  }

  // Most of the work of a policy that reads attention, in parallel.
  void weigh() {
    for_each_tile(shape_.n_heads, walk_.rows(),
                  [&](std::int64_t head, std::int64_t row, std::int64_t count) {
                    scores(head, row, count, walk_.score_row(head, row));
                    for (std::int64_t r = row; r < row + count; ++r) walk_.weigh(head, r);
                  });
  }

  void attend() {
    for_each_tile(
        shape_.n_heads, walk_.rows(), [&](std::int64_t head, std::int64_t row, std::int64_t count) {
          const auto columns = static_cast<std::size_t>(columns_of(head));
          for (std::int64_t r = row; r < row + count; ++r) {
            const T scale = walk_.factor_of(head, r, rescore_);
            scale_alive<T>(walk_.score_row(head, r), columns, walk_.life(walk_.table_of(head)),
                           static_cast<std::int32_t>(r), scale);
          }
          output(head, row, count, walk_.score_row(head, row));
        });
  }

  kernels::QkvShape shape_;
  std::int64_t group_;
  at::ScalarType compute_;
  BlockWalk<T> walk_;
  const typename BlockWalk<T>::Rescore rescore_ = [this](std::int64_t head, std::int64_t row,
                                                         T* out) { scores(head, row, 1, out); };
  const T* qkv_ = nullptr;              // of the block at hand
  T* out_ = nullptr;                    // likewise
  std::vector<Operand> keys_, values_;  // [kv_heads]
};

}  // namespace

std::unique_ptr<BlockAttention> host_attention(const Decoder& decoder, std::int64_t block_rows) {
  return dispatch_compute(decoder.precision(), [&](auto zero) -> std::unique_ptr<BlockAttention> {
    return std::make_unique<HostAttention<decltype(zero)>>(decoder, block_rows);
  });
}

}  // namespace lethe::models
