// SPDX-License-Identifier: Apache-2.0
// The covariance of cma_full: products and the decomposition by LibTorch, in float64.
#include <cmath>

#include <ATen/ATen.h>

#include "harness/base/error.h"
#include "training/search_shape.h"

namespace lethe::training {
namespace {

at::Tensor view_of(std::span<const double> values, at::IntArrayRef sizes) {
  // from_blob takes no const; nothing writes to what it gives here.
  return at::from_blob(const_cast<double*>(values.data()), sizes, at::kDouble);
}

std::span<const double> numbers_of(const at::Tensor& tensor) {
  return {tensor.const_data_ptr<double>(), static_cast<std::size_t>(tensor.numel())};
}

class FullShape final : public SearchShape {
 public:
  FullShape(const EvolutionRates& rates, std::int64_t dimension)
      : rates_(rates),
        n_(dimension),
        covariance_(at::eye(n_, at::kDouble)),
        axes_(at::eye(n_, at::kDouble)),
        lengths_(at::ones({n_}, at::kDouble)),
        path_(static_cast<std::size_t>(n_), 0) {}

  std::vector<double> steps(std::span<const double> normals, std::int64_t count) override {
    if (age_ >= rates_.lazy_generations) decompose();
    const at::Tensor y = at::matmul(view_of(normals, {count, n_}).mul(lengths_), axes_.t());
    const auto numbers = numbers_of(y);
    return {numbers.begin(), numbers.end()};
  }

  // C^{-1/2} y = B D⁻¹ Bᵀ · B D z = B z
  std::vector<double> whitened(std::span<const double> normal) const override {
    const at::Tensor white = at::mv(axes_, view_of(normal, {n_}));
    const auto numbers = numbers_of(white);
    return {numbers.begin(), numbers.end()};
  }

  void adapt(const ShapeUpdate& update) override {
    advance_path(path_, rates_, update);
    const std::vector<double> weights = rank_weights(rates_, update);
    const auto count = static_cast<std::int64_t>(weights.size());
    const at::Tensor y = view_of(update.steps, {count, n_});
    const at::Tensor weighted = y.mul(view_of(weights, {count, 1}));
    covariance_.addmm_(weighted.t(), y, /*beta=*/remaining_share(rates_, update),
                       /*alpha=*/rates_.c_mu);
    const at::Tensor path = view_of(path_, {n_});
    covariance_.addr_(path, path, /*beta=*/1, /*alpha=*/rates_.c_1);
    ++age_;
  }

  void save(StateWriter& state) const override {
    // Only the lower triangle of C is ever read.
    std::vector<double> triangle;
    triangle.reserve(triangle_size());
    const double* row = covariance_.const_data_ptr<double>();
    for (std::int64_t i = 0; i < n_; ++i, row += n_)
      triangle.insert(triangle.end(), row, row + i + 1);
    state.put("evolution.covariance", triangle);
    state.put("evolution.axes", numbers_of(axes_));
    state.put("evolution.lengths", numbers_of(lengths_));
    state.put("evolution.covariance_path", path_);
    state.put_value("evolution.age", age_);
  }

  void load(const StateReader& state) override {
    const auto size = static_cast<std::size_t>(n_);
    const auto triangle = saved_numbers(state, "evolution.covariance", triangle_size());
    const auto axes = saved_numbers(state, "evolution.axes", size * size);
    const auto lengths = saved_numbers(state, "evolution.lengths", size);
    path_ = saved_numbers(state, "evolution.covariance_path", size);
    age_ = state.get_value<std::int64_t>("evolution.age");
    covariance_.zero_();
    double* row = covariance_.data_ptr<double>();
    const double* from = triangle.data();
    for (std::int64_t i = 0; i < n_; ++i, row += n_) {
      std::copy(from, from + i + 1, row);
      from += i + 1;
    }
    axes_.copy_(view_of(axes, {n_, n_}));
    lengths_.copy_(view_of(lengths, {n_}));
  }

 private:
  std::size_t triangle_size() const { return static_cast<std::size_t>(n_ * (n_ + 1) / 2); }

  void decompose() {
    const auto [values, vectors] = at::linalg_eigh(covariance_, "L");
    const double least = values[0].item<double>();
    if (!(least > 0)) {
      throw Error(
          ErrorKind::kModel,
          "cma_full: the covariance is no longer positive definite: its least eigenvalue is " +
              std::to_string(least));
    }
    axes_ = vectors.contiguous();
    lengths_ = values.sqrt();
    age_ = 0;
  }

  const EvolutionRates& rates_;
  std::int64_t n_;
  at::Tensor covariance_;      ///< n × n, of which the lower triangle counts
  at::Tensor axes_, lengths_;  ///< B n × n row-major, D n: C = B D² Bᵀ at the last decomposition
  std::vector<double> path_;   ///< n, p_c
  std::int64_t age_ = 0;       ///< updates since the last decomposition
};

}  // namespace

std::unique_ptr<SearchShape> make_full_shape(const EvolutionRates& rates, std::int64_t dimension) {
  return std::make_unique<FullShape>(rates, dimension);
}

}  // namespace lethe::training
