// SPDX-License-Identifier: Apache-2.0
#include "training/search_shape.h"

#include <cmath>
#include <numeric>

#include "harness/base/error.h"

namespace lethe::training {
namespace {

class IdentityShape final : public SearchShape {
 public:
  std::vector<double> steps(std::span<const double> normals, std::int64_t) override {
    return {normals.begin(), normals.end()};
  }
  std::vector<double> whitened(std::span<const double> normal) const override {
    return {normal.begin(), normal.end()};
  }
  void adapt(const ShapeUpdate&) override {}
  void save(StateWriter&) const override {}
  void load(const StateReader&) override {}
};

class DiagonalShape final : public SearchShape {
 public:
  DiagonalShape(const EvolutionRates& rates, std::int64_t dimension)
      : rates_(rates),
        variances_(static_cast<std::size_t>(dimension), 1),
        path_(static_cast<std::size_t>(dimension), 0) {}

  std::vector<double> steps(std::span<const double> normals, std::int64_t count) override {
    const std::size_t n = variances_.size();
    std::vector<double> steps(normals.begin(), normals.end());
    for (std::size_t j = 0; j < n; ++j) {
      const double deviation = std::sqrt(variances_[j]);
      for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
        steps[i * n + j] *= deviation;
      }
    }
    return steps;
  }

  std::vector<double> whitened(std::span<const double> normal) const override {
    return {normal.begin(), normal.end()};
  }

  void adapt(const ShapeUpdate& update) override {
    advance_path(path_, rates_, update);
    const double remains = remaining_share(rates_, update);
    const std::vector<double> weights = rank_weights(rates_, update);
    const std::size_t n = variances_.size();
    for (std::size_t j = 0; j < n; ++j) {
      double ranks = 0;
      for (std::size_t i = 0; i < weights.size(); ++i) {
        const double y = update.steps[i * n + j];
        ranks += weights[i] * y * y;
      }
      variances_[j] =
          remains * variances_[j] + rates_.c_1 * path_[j] * path_[j] + rates_.c_mu * ranks;
    }
  }

  void save(StateWriter& state) const override {
    state.put("evolution.variances", variances_);
    state.put("evolution.covariance_path", path_);
  }
  void load(const StateReader& state) override {
    variances_ = saved_numbers(state, "evolution.variances", variances_.size());
    path_ = saved_numbers(state, "evolution.covariance_path", path_.size());
  }

 private:
  const EvolutionRates& rates_;
  std::vector<double> variances_, path_;  ///< n: of C, and p_c
};

}  // namespace

std::unique_ptr<SearchShape> make_identity_shape(std::int64_t) {
  return std::make_unique<IdentityShape>();
}

std::unique_ptr<SearchShape> make_diagonal_shape(const EvolutionRates& rates,
                                                 std::int64_t dimension) {
  return std::make_unique<DiagonalShape>(rates, dimension);
}

void advance_path(std::vector<double>& path, const EvolutionRates& rates,
                  const ShapeUpdate& update) {
  const double step =
      update.path_goes_on ? std::sqrt(rates.c_c * (2 - rates.c_c) * rates.mu_eff) : 0;
  for (std::size_t j = 0; j < path.size(); ++j) {
    path[j] = (1 - rates.c_c) * path[j] + step * update.mean_step[j];
  }
}

double remaining_share(const EvolutionRates& rates, const ShapeUpdate& update) {
  const double lost = update.path_goes_on ? 0 : rates.c_c * (2 - rates.c_c);
  const double sum = std::accumulate(rates.weights.begin(), rates.weights.end(), 0.0);
  return 1 + rates.c_1 * lost - rates.c_1 - rates.c_mu * sum;
}

std::vector<double> rank_weights(const EvolutionRates& rates, const ShapeUpdate& update) {
  const double n = static_cast<double>(update.mean_step.size());
  std::vector<double> weights = rates.weights;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] < 0) weights[i] *= n / update.squared_norms[i];
  }
  return weights;
}

std::vector<double> saved_numbers(const StateReader& state, const char* name, std::size_t size) {
  auto values = state.get<double>(name);
  if (values.size() == size) return values;
  throw Error(ErrorKind::kData, "state: '" + std::string(name) + "' has " +
                                    std::to_string(values.size()) + " numbers, expected " +
                                    std::to_string(size));
}

}  // namespace lethe::training
