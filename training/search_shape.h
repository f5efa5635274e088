// SPDX-License-Identifier: Apache-2.0
// The covariance of a search: what tells the evolution strategies apart.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "harness/base/state_file.h"
#include "training/evolution_options.h"

namespace lethe::training {

/// What one generation has to say about the covariance. Spans outlive the call alone.
struct ShapeUpdate {
  std::span<const double> steps;          ///< lambda × n, y by rank, best first
  std::span<const double> squared_norms;  ///< lambda, ‖C^{-1/2} y‖² by rank
  std::span<const double> mean_step;      ///< n, the weighted mean of y
  bool path_goes_on = true;               ///< h_sigma
};

/// A covariance C = A Aᵀ of n numbers, the identity at first.
class SearchShape {
 public:
  virtual ~SearchShape() = default;
  /// y = A z of each row: `count` × n normal numbers give `count` × n steps.
  virtual std::vector<double> steps(std::span<const double> normals, std::int64_t count) = 0;
  /// C^{-1/2} y of the y that steps() made of this z: n numbers.
  virtual std::vector<double> whitened(std::span<const double> normal) const = 0;
  /// Equations 45 and 47 of arXiv 1604.00772.
  virtual void adapt(const ShapeUpdate& update) = 0;
  virtual void save(StateWriter& state) const = 0;
  virtual void load(const StateReader& state) = 0;
};

std::unique_ptr<SearchShape> make_identity_shape(std::int64_t dimension);
std::unique_ptr<SearchShape> make_diagonal_shape(const EvolutionRates& rates,
                                                 std::int64_t dimension);
/// In float64, by LibTorch. steps() throws Error(kModel) when C is not positive definite.
std::unique_ptr<SearchShape> make_full_shape(const EvolutionRates& rates, std::int64_t dimension);

/// p_c of the next generation, equation 45.
void advance_path(std::vector<double>& path, const EvolutionRates& rates,
                  const ShapeUpdate& update);
/// What of C remains before the ranks are added: 1 + c_1 δ(h_sigma) - c_1 - c_mu Σ w, equation 47.
double remaining_share(const EvolutionRates& rates, const ShapeUpdate& update);
/// Weight of each rank's y yᵀ: those that are negative are scaled to ‖C^{-1/2} y‖² = n, equation
/// 46.
std::vector<double> rank_weights(const EvolutionRates& rates, const ShapeUpdate& update);

/// The array `name` of a saved state. Throws Error(kData) unless it has `size` numbers.
std::vector<double> saved_numbers(const StateReader& state, const char* name, std::size_t size);

}  // namespace lethe::training
