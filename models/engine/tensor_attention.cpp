// SPDX-License-Identifier: Apache-2.0
// The block's scores stay on the device; where the policy looks at attention, a copy of them comes
// to the host, once per block. What goes back are the intervals of the columns, for the mask.
#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include <ATen/ATen.h>

#include "models/engine/block_attention.h"
#include "models/engine/block_tiles.h"
#include "models/engine/block_walk.h"
#include "models/transformer/tensor_functions.h"

namespace lethe::models {
namespace {

template <typename T>
class TensorAttention final : public BlockAttention {
 public:
  TensorAttention(const Decoder& decoder, std::int64_t block_rows)
      : shape_(decoder.qkv_shape()),
        group_(shape_.n_heads / shape_.n_kv_heads),
        options_(at::TensorOptions(decoder.precision().compute).device(decoder.placement().device)),
        scale_(1.0 / std::sqrt(decoder.config().attention_scalar())),
        softcap_(decoder.config().attention_softcap),
        walk_(shape_, block_rows, decoder.placement().device.is_cuda()),
        scores_(at::empty({0}, options_)),
        row_numbers_(at::arange(block_rows, options_.dtype(at::kInt)).unsqueeze(1)) {}

  void run(const at::Tensor& qkv, std::int64_t first_position, LayerCache& cache,
           LayerPolicy& policy, const at::Tensor& out) override {
    walk_.begin(qkv, first_position, cache);
    score(qkv, cache);
    if (policy.may_read(first_position, walk_.rows())) {
      walk_.expect_scores(policy, cache);
      walk_.scores().copy_(scores_.narrow(0, 0, walk_.scores().numel()));
      for_each_tile(shape_.n_heads, walk_.rows(),
                    [&](std::int64_t head, std::int64_t row, std::int64_t count) {
                      for (std::int64_t r = row; r < row + count; ++r) walk_.weigh(head, r);
                    });
      walk_.decide_by_attention(
          cache, policy, [&](std::int64_t head, std::int64_t row, T* to) { fetch(head, row, to); });
    } else {
      walk_.decide(cache, policy);
    }
    attend(cache, out);
  }

 private:
  std::int64_t heads_per_table() const {
    return shape_.n_heads / static_cast<std::int64_t>(walk_.tables());
  }

  // Scores of one table, [heads_per_table(), rows, columns].
  at::Tensor scores_of(std::size_t table) const {
    const std::int64_t columns = walk_.columns(table), rows = walk_.rows();
    const std::int64_t heads = heads_per_table();
    return scores_.narrow(0, offsets_[table], heads * rows * columns).view({heads, rows, columns});
  }

  // q · k * scale, capped where the model does, of all rows and columns, one batch per table: the
  // query heads of a KV head are one matrix.
  void score(const at::Tensor& qkv, const LayerCache& cache) {
    const std::int64_t rows = walk_.rows(), d = shape_.head_dim;
    offsets_.assign(1, 0);
    for (std::size_t t = 0; t < walk_.tables(); ++t) {
      offsets_.push_back(offsets_.back() + heads_per_table() * rows * walk_.columns(t));
    }
    if (scores_.numel() < offsets_.back()) scores_ = at::empty({offsets_.back()}, options_);
    const at::Tensor queries = qkv.narrow(1, 0, shape_.n_heads * d)
                                   .view({rows, shape_.n_heads, d})
                                   .transpose(0, 1)
                                   .reshape({shape_.n_kv_heads, group_ * rows, d});
    const std::int64_t kv_heads = cache.heads_per_table();
    for (std::size_t t = 0; t < walk_.tables(); ++t) {
      const at::Tensor keys = cache.keys_as(t, walk_.columns(t), options_.dtype().toScalarType());
      at::Tensor product = scores_of(t).view({kv_heads, group_ * rows, walk_.columns(t)});
      product.baddbmm_(queries.narrow(0, static_cast<std::int64_t>(t) * kv_heads, kv_heads), keys,
                       /*beta=*/0, /*alpha=*/scale_);
      if (softcap_) soft_cap(product, *softcap_);
    }
  }

  // One row's scores again; they are masked only when all is decided.
  void fetch(std::int64_t head, std::int64_t row, T* to) const {
    const std::size_t table = walk_.table_of(head);
    const at::Tensor scores = scores_of(table)[head % heads_per_table()][row].cpu();
    std::copy_n(scores.const_data_ptr<T>(), scores.numel(), to);
  }

  // First and last row of every column of all tables, [2, columns of all], on the device.
  at::Tensor intervals() const {
    std::int64_t all = 0;
    for (std::size_t t = 0; t < walk_.tables(); ++t) all += walk_.columns(t);
    const at::Tensor host = at::empty({2, all}, at::kInt);
    auto* first = host.mutable_data_ptr<std::int32_t>();
    auto* last = first + all;
    for (std::size_t t = 0; t < walk_.tables(); ++t) {
      first = std::copy(walk_.life(t).first.begin(), walk_.life(t).first.end(), first);
      last = std::copy(walk_.life(t).last.begin(), walk_.life(t).last.end(), last);
    }
    // From memory that is not pinned, the call returns when the source has been read.
    return host.to(options_.device(), /*non_blocking=*/true);
  }

  // Mask, softmax and product with the values.
  void attend(const LayerCache& cache, const at::Tensor& out) const {
    const std::int64_t rows = walk_.rows(), heads = heads_per_table();
    const at::Tensor alive = intervals(), row = row_numbers_.narrow(0, 0, rows);
    const at::Tensor to = out.view({rows, shape_.n_heads, shape_.head_dim});
    std::int64_t column = 0;
    for (std::size_t t = 0; t < walk_.tables(); ++t) {
      const std::int64_t columns = walk_.columns(t);
      const at::Tensor first = alive[0].narrow(0, column, columns),
                       last = alive[1].narrow(0, column, columns);
      column += columns;
      const at::Tensor dead = row.lt(first).logical_or_(row.gt(last));
      const at::Tensor weights = scores_of(t)
                                     .masked_fill_(dead, -std::numeric_limits<double>::infinity())
                                     .softmax(-1)
                                     .view({cache.heads_per_table(), group_ * rows, columns});
      const at::Tensor values = cache.values_as(t, columns, options_.dtype().toScalarType());
      to.narrow(1, static_cast<std::int64_t>(t) * heads, heads)
          .copy_(at::bmm(weights, values).view({heads, rows, -1}).transpose(0, 1));
    }
  }

  kernels::QkvShape shape_;
  std::int64_t group_;
  at::TensorOptions options_;  // compute type, device
  double scale_;
  std::optional<double> softcap_;
  BlockWalk<T> walk_;
  at::Tensor scores_;                  // grows; as in the walk, on the device
  std::vector<std::int64_t> offsets_;  // [tables + 1] into scores_
  at::Tensor row_numbers_;             // [block_rows, 1]
};

}  // namespace

std::unique_ptr<BlockAttention> tensor_attention(const Decoder& decoder, std::int64_t block_rows) {
  return dispatch_compute(decoder.precision(), [&](auto zero) -> std::unique_ptr<BlockAttention> {
    return std::make_unique<TensorAttention<decltype(zero)>>(decoder, block_rows);
  });
}

}  // namespace lethe::models
