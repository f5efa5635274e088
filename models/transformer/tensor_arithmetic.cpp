// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <ATen/ATen.h>

#include "models/transformer/arithmetic.h"
#include "models/transformer/tensor_functions.h"

namespace lethe::models {
namespace {

// Rows whose logits exist at once: 256 x 49,152 floats are 48 MiB, a few times over in the sums.
constexpr std::int64_t kScoreRows = 256;

class TensorArithmetic final : public Arithmetic {
 public:
  explicit TensorArithmetic(const Precision& precision) : precision_(precision) {}

  at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps) const override {
    return rms_normed(x, weight, eps).to(precision_.product);
  }

  at::Tensor rotate(const at::Tensor& qkv, const RotaryTable& table,
                    const kernels::QkvShape& shape) const override {
    return rotated_projection(qkv.to(precision_.compute), table, shape);
  }

  at::Tensor silu_mul(const at::Tensor& gate_up) const override {
    return activated(gate_up.to(precision_.compute), Activation::kSilu, /*gated=*/true)
        .to(precision_.product);
  }

  void add_to(at::Tensor& sum, const at::Tensor& x) const override { sum.add_(x); }

  void score(const at::Tensor& normed, const at::Tensor& head, std::optional<double> softcap,
             std::span<const std::int64_t> targets, std::span<double> out) const override {
    const auto count = static_cast<std::int64_t>(targets.size());
    const at::Tensor wanted =
        at::tensor(at::ArrayRef<std::int64_t>(targets.data(), targets.size()), at::kLong)
            .to(normed.device())
            .unsqueeze(1);
    const at::Tensor nll = at::empty({count, 1}, normed.options().dtype(at::kDouble));
    for (std::int64_t begin = 0; begin < count; begin += kScoreRows) {
      const std::int64_t rows = std::min(kScoreRows, count - begin);
      const at::Tensor logits =
          at::mm(normed.narrow(0, begin, rows), head.t()).to(precision_.compute);
      if (softcap) soft_cap(logits, *softcap);
      // Shifted by the largest in the compute type; only the sum needs float64.
      const at::Tensor shifted = logits - logits.amax(-1, /*keepdim=*/true);
      const at::Tensor target = shifted.gather(1, wanted.narrow(0, begin, rows));
      const at::Tensor sum = shifted.exp_().sum(-1, /*keepdim=*/true, at::kDouble);
      nll.narrow(0, begin, rows).copy_(sum.log_().sub_(target));
    }
    const at::Tensor host = nll.cpu();
    std::copy_n(host.const_data_ptr<double>(), count, out.begin());
  }

 private:
  Precision precision_;
};

}  // namespace

std::unique_ptr<const Arithmetic> tensor_arithmetic(const Precision& precision) {
  return std::make_unique<TensorArithmetic>(precision);
}

}  // namespace lethe::models
