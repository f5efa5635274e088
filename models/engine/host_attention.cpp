// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <optional>
#include <type_traits>
#include <vector>

#include <ATen/ATen.h>

#include "models/engine/block_attention.h"
#include "models/engine/block_tiles.h"
#include "models/engine/block_walk.h"
#include "models/engine/small_product.h"
#include "models/transformer/parallel.h"

namespace lethe::models {
namespace {

// Up to so many rows, keys and values are widened as the products read them; for more, once before.
constexpr std::int64_t kDirectRows = 8;

// Multiplications that are worth another thread, in one row of attention.
constexpr std::int64_t kLeastParallelWork = 1 << 18;

/// Where the product kernels read one KV head.
struct Operand {
  at::Tensor held;  ///< of the cache, or widened from it
  std::int64_t offset = 0;
  std::int64_t stride = 0;
  const float* scales = nullptr;  ///< of int8: one a slot

  template <typename B>
  const B* data() const {
    return static_cast<const B*>(held.const_data_ptr()) + offset;
  }
};

/// c = alpha * a · (one KV head's keys or values), whatever they are stored as.
template <typename T>
void product(const T* a, std::int64_t lda, const Operand& b, std::int64_t m, std::int64_t n,
             std::int64_t k, T alpha, T* c, std::int64_t ldc) {
  const auto with = [&](const auto* data) {
    small_product<T>(a, lda, data, b.stride, m, n, k, alpha, c, ldc);
  };
  if constexpr (std::is_same_v<T, float>) {
    if (b.held.scalar_type() == at::kBFloat16) return with(b.data<lanes::Bf16>());
    if (b.held.scalar_type() == at::kChar) return with(b.data<std::int8_t>());
  }
  with(b.data<T>());
}

template <typename T>
void multiply_by_scales(T* row, const float* scales, std::int64_t columns) {
  for (std::int64_t c = 0; c < columns; ++c) row[c] *= static_cast<T>(scales[c]);
}

template <typename T>
class HostAttention final : public BlockAttention {
 public:
  HostAttention(const Decoder& decoder, std::int64_t block_rows)
      : shape_(decoder.qkv_shape()),
        group_(shape_.n_heads / shape_.n_kv_heads),
        compute_(decoder.precision().compute),
        scale_(T(1) / std::sqrt(static_cast<T>(decoder.config().attention_scalar()))),
        softcap_(decoder.config().attention_softcap),
        walk_(shape_, block_rows, /*pinned=*/false),
        keys_(static_cast<std::size_t>(shape_.n_kv_heads)),
        values_(static_cast<std::size_t>(shape_.n_kv_heads)) {}

  void run(const at::Tensor& qkv, std::int64_t first_position, LayerCache& cache,
           LayerPolicy& policy, const at::Tensor& out) override {
    qkv_ = qkv.const_data_ptr<T>();
    out_ = out.mutable_data_ptr<T>();
    walk_.begin(qkv, first_position, cache);
    find_operands(cache);
    const bool token = walk_.rows() == 1;
    if (token || policy.traits().reads_attention) {
      walk_.expect_scores(policy, cache);
      token ? weigh_token() : weigh();
      walk_.decide_by_attention(cache, policy, rescore_);
      token ? attend_token() : attend();
    } else {
      // The banded path: who leaves does not depend on attention, so all decisions come first and
      // every row is then finished on its own, in parallel.
      walk_.decide(cache, policy);
      weigh_and_attend();
    }
  }

 private:
  // Where each KV head's keys and values are, in a type that the products read.
  void find_operands(const LayerCache& cache) {
    const std::int64_t d = shape_.head_dim;
    const bool direct = std::is_same_v<T, float> && walk_.rows() <= kDirectRows;
    for (std::size_t t = 0; t < walk_.tables(); ++t) {
      at::Tensor keys = cache.keys(t), values = cache.values(t);
      if (keys.scalar_type() != compute_ && !direct) {
        keys = keys.narrow(2, 0, walk_.columns(t)).to(compute_).contiguous();
        values = values.narrow(1, 0, walk_.columns(t)).to(compute_).contiguous();
      }
      const std::int64_t heads = cache.heads_per_table();
      for (std::int64_t h = 0; h < heads; ++h) {
        const auto kv_head = t * static_cast<std::size_t>(heads) + static_cast<std::size_t>(h);
        const auto scales_of = [&](const at::Tensor& scales) {
          return scales.defined() ? scales.const_data_ptr<float>() + h * scales.size(1) : nullptr;
        };
        keys_[kv_head] = {keys, h * d * keys.size(2), keys.size(2), scales_of(cache.key_scales(t))};
        values_[kv_head] = {values, h * d * values.size(1), d, scales_of(cache.value_scales(t))};
      }
    }
  }

  std::int64_t columns_of(std::int64_t head) const { return walk_.columns(walk_.table_of(head)); }

  // scores[count][columns] = q · k * scale, capped where the model does, of rows `row` … of one
  // head.
  void scores(std::int64_t head, std::int64_t row, std::int64_t count, T* scores) const {
    scores_of(head, qkv_ + row * shape_.row() + head * shape_.head_dim, shape_.row(), count,
              scores);
  }

  // The same of any `count` queries, `stride` apart, of heads that share `head`'s KV head.
  void scores_of(std::int64_t head, const T* queries, std::int64_t stride, std::int64_t count,
                 T* scores) const {
    const Operand& keys = keys_[static_cast<std::size_t>(head / group_)];
    const std::int64_t columns = columns_of(head);
    product<T>(queries, stride, keys, count, columns, shape_.head_dim, scale_, scores, columns);
    for (std::int64_t r = 0; keys.scales && r < count; ++r) {
      multiply_by_scales(scores + r * columns, keys.scales, columns);
    }
    if (softcap_) kernels::soft_cap<T>(scores, static_cast<T>(*softcap_), count * columns);
  }

  // Output of rows `row` … of one head; may overwrite `weights`.
  void output(std::int64_t head, std::int64_t row, std::int64_t count, T* weights) const {
    const std::int64_t width = shape_.n_heads * shape_.head_dim;
    output_of(head, weights, count, out_ + row * width + head * shape_.head_dim, width);
  }

  void output_of(std::int64_t head, T* weights, std::int64_t count, T* out,
                 std::int64_t stride) const {
    const Operand& values = values_[static_cast<std::size_t>(head / group_)];
    const std::int64_t columns = columns_of(head);
    for (std::int64_t r = 0; values.scales && r < count; ++r) {
      multiply_by_scales(weights + r * columns, values.scales, columns);
    }
    product<T>(weights, columns, values, count, shape_.head_dim, columns, T(1), out, stride);
  }

  // One row, as in decoding: the query heads of a KV head are the rows of one product, so that its
  // keys and values are read once. The same bits as tile by tile.
  void weigh_token() {
    each_kv_head([&](std::int64_t head) {
      scores_of(head, qkv_ + head * shape_.head_dim, shape_.head_dim, group_,
                walk_.score_row(head, 0));
      for (std::int64_t h = head; h < head + group_; ++h) walk_.weigh(h, 0);
    });
  }

  void attend_token() {
    each_kv_head([&](std::int64_t head) {
      for (std::int64_t h = head; h < head + group_; ++h) finish_row(h, 0);
      output_of(head, walk_.score_row(head, 0), group_, out_ + head * shape_.head_dim,
                shape_.head_dim);
    });
  }

  // Calls body(first query head) for every KV head of one row: in parallel only where a head is
  // much work, because lanes are spread over threads already.
  template <typename Body>
  void each_kv_head(const Body& body) const {
    const std::int64_t grain =
        std::max<std::int64_t>(1, kLeastParallelWork / (columns_of(0) * group_ * shape_.head_dim));
    parallel_rows(shape_.n_kv_heads, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t kv_head = begin; kv_head < end; ++kv_head) body(kv_head * group_);
    });
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
    for_each_tile(shape_.n_heads, walk_.rows(),
                  [&](std::int64_t head, std::int64_t row, std::int64_t count) {
                    for (std::int64_t r = row; r < row + count; ++r) finish_row(head, r);
                    output(head, row, count, walk_.score_row(head, row));
                  });
  }

  // The weights of a row, when all decisions are made.
  void finish_row(std::int64_t head, std::int64_t row) {
    scale_alive<T>(walk_.score_row(head, row), static_cast<std::size_t>(columns_of(head)),
                   walk_.life(walk_.table_of(head)), static_cast<std::int32_t>(row),
                   walk_.factor_of(head, row, rescore_));
  }

  kernels::QkvShape shape_;
  std::int64_t group_;
  at::ScalarType compute_;
  T scale_;
  std::optional<double> softcap_;
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
