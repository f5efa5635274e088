// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <vector>

#include <ATen/ATen.h>

#include "models/transformer/arithmetic.h"
#include "models/transformer/tensor_functions.h"

namespace lethe::models {
namespace {

// The vocabulary product at once: 2,048 x 1,024 floats stay in a large cache, where 49,152 columns
// would go through memory twice.
constexpr std::int64_t kScoreRows = 2048;
constexpr std::int64_t kScoreTokens = 1024;

template <typename Io>
Io* data(const at::Tensor& tensor) {
  return static_cast<Io*>(tensor.mutable_data_ptr());
}

/// T is the compute type, Io what products read and write.
template <typename T, typename Io>
class HostArithmetic final : public Arithmetic {
 public:
  explicit HostArithmetic(const Precision& precision) : precision_(precision) {}

  at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps) const override {
    at::Tensor out = at::empty(x.sizes(), precision_.product);
    kernels::rms_norm<T, Io>(x.const_data_ptr<T>(), weight.const_data_ptr<T>(), static_cast<T>(eps),
                             x.size(0), x.size(1), data<Io>(out));
    return out;
  }

  at::Tensor rotate(const at::Tensor& qkv, const RotaryTable& table,
                    const kernels::QkvShape& shape) const override {
    if (2 * table.cos.size(1) < shape.head_dim) {
      return rotated_projection(qkv.to(precision_.compute), table, shape);
    }
    const bool in_place = precision_.product == precision_.compute;
    at::Tensor out = in_place ? qkv : at::empty(qkv.sizes(), precision_.compute);
    kernels::rotate<Io, T>(data<Io>(qkv), table.cos.const_data_ptr<T>(),
                           table.sin.const_data_ptr<T>(), qkv.size(0), shape,
                           out.mutable_data_ptr<T>());
    return out;
  }

  at::Tensor silu_mul(const at::Tensor& gate_up) const override {
    const std::int64_t rows = gate_up.size(0), width = gate_up.size(1) / 2;
    at::Tensor out = at::empty({rows, width}, precision_.product);
    kernels::silu_mul<Io>(data<Io>(gate_up), rows, width, data<Io>(out));
    return out;
  }

  void add_to(at::Tensor& sum, const at::Tensor& x) const override {
    kernels::add_to<T, Io>(sum.mutable_data_ptr<T>(), data<Io>(x), x.numel());
  }

  void score(const at::Tensor& normed, const at::Tensor& head, std::optional<double> softcap,
             std::span<const std::int64_t> targets, std::span<double> out) const override {
    const auto count = static_cast<std::int64_t>(targets.size());
    const std::int64_t vocab_size = head.size(0);
    const at::Tensor buffer =
        at::empty({std::min(kScoreRows, count) * kScoreTokens}, precision_.product);
    std::vector<kernels::LogSum> sums;
    for (std::int64_t begin = 0; begin < count; begin += kScoreRows) {
      const std::int64_t rows = std::min(kScoreRows, count - begin);
      sums.assign(static_cast<std::size_t>(rows), {});
      for (std::int64_t first = 0; first < vocab_size; first += kScoreTokens) {
        const std::int64_t width = std::min(kScoreTokens, vocab_size - first);
        at::Tensor tile = buffer.narrow(0, 0, rows * width).view({rows, width});
        at::mm_out(tile, normed.narrow(0, begin, rows), head.narrow(0, first, width).t());
        if (softcap) {
          const at::Tensor capped = tile.to(precision_.compute);
          soft_cap(capped, *softcap);
          kernels::add_logits<T>(data<T>(capped), rows, width, first, targets.data() + begin,
                                 sums.data());
        } else {
          kernels::add_logits<Io>(data<Io>(tile), rows, width, first, targets.data() + begin,
                                  sums.data());
        }
      }
      for (std::int64_t r = 0; r < rows; ++r) {
        out[static_cast<std::size_t>(begin + r)] = sums[static_cast<std::size_t>(r)].nll();
      }
    }
  }

 private:
  Precision precision_;
};

}  // namespace

std::unique_ptr<const Arithmetic> host_arithmetic(const Precision& precision) {
  switch (precision.product) {
    case at::kDouble:
      return std::make_unique<HostArithmetic<double, double>>(precision);
    case at::kBFloat16:
      return std::make_unique<HostArithmetic<float, kernels::Bf16>>(precision);
    default:
      return std::make_unique<HostArithmetic<float, float>>(precision);
  }
}

}  // namespace lethe::models
