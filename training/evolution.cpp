// SPDX-License-Identifier: Apache-2.0
#include "training/evolution.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <utility>

#include "harness/base/error.h"
#include "training/search_shape.h"

namespace lethe::training {
namespace {

// Box and Muller's pairs: no number is kept back between calls, so the stream's position is the
// whole state.
std::vector<double> normal_numbers(RandomStream& random, std::size_t count) {
  std::vector<double> numbers;
  numbers.reserve(count + 1);
  while (numbers.size() < count) {
    const double radius = std::sqrt(-2 * std::log(1 - random.uniform()));
    const double angle = 2 * std::numbers::pi * random.uniform();
    numbers.push_back(radius * std::cos(angle));
    numbers.push_back(radius * std::sin(angle));
  }
  numbers.resize(count);
  return numbers;
}

std::unique_ptr<SearchShape> make_shape(EvolutionKind kind, const EvolutionRates& rates,
                                        std::int64_t dimension) {
  if (kind == EvolutionKind::kCmaFull) return make_full_shape(rates, dimension);
  if (kind == EvolutionKind::kCmaDiag) return make_diagonal_shape(rates, dimension);
  return make_identity_shape(dimension);
}

double squared_norm(std::span<const double> numbers) {
  return std::inner_product(numbers.begin(), numbers.end(), numbers.begin(), 0.0);
}

}  // namespace

EvolutionStrategy::EvolutionStrategy(const EvolutionOptions& options, std::vector<double> mean,
                                     std::uint64_t seed)
    : options_(options),
      rates_(evolution_rates(options, std::ssize(mean))),
      random_(derive_seed(seed, "evolution")),
      mean_(std::move(mean)),
      path_(mean_.size(), 0),
      sigma_(options.sigma) {
  const bool finite = std::ranges::all_of(mean_, [](double value) { return std::isfinite(value); });
  if (mean_.empty() || !finite) {
    throw Error(ErrorKind::kConfig, "evolution: expected a first mean of finite numbers, found " +
                                        std::string(mean_.empty() ? "none" : "one that is not"));
  }
  shape_ = make_shape(options_.kind, rates_, dimension());
}

EvolutionStrategy::~EvolutionStrategy() = default;

std::vector<std::vector<double>> EvolutionStrategy::ask() {
  LETHE_ASSERT(normals_.empty(), "ask() before the last members were told of");
  const std::size_t n = mean_.size(), count = rates_.weights.size();
  // Drawn first and kept last: an error leaves the search as it was.
  RandomStream random = random_;
  std::vector<double> normals = normal_numbers(random, n * count);
  steps_ = shape_->steps(normals, population());
  random_ = random;
  normals_ = std::move(normals);
  std::vector<std::vector<double>> members(count, mean_);
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t j = 0; j < n; ++j) members[i][j] += sigma_ * steps_[i * n + j];
  }
  return members;
}

void EvolutionStrategy::tell(std::span<const double> fitnesses) {
  const std::size_t n = mean_.size(), count = rates_.weights.size();
  LETHE_ASSERT(!normals_.empty(), "tell() without an ask()");
  LETHE_ASSERT(fitnesses.size() == count,
               "generation " + std::to_string(generation_) + ": expected the fitness of " +
                   std::to_string(count) + " members, found " + std::to_string(fitnesses.size()));
  for (std::size_t i = 0; i < count; ++i) {
    if (std::isfinite(fitnesses[i])) continue;
    throw Error(ErrorKind::kModel,
                "generation " + std::to_string(generation_) + ", member " + std::to_string(i) +
                    ": its fitness is not finite: " + std::to_string(fitnesses[i]));
  }
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, [&](auto a, auto b) { return fitnesses[a] > fitnesses[b]; });

  // <z> and <y>: means over the members with a positive weight.
  std::vector<double> mean_normal(n, 0), mean_step(n, 0), ranked, squared_norms;
  ranked.reserve(n * count);
  for (std::size_t rank = 0; rank < count; ++rank) {
    const auto z = std::span<const double>(normals_).subspan(order[rank] * n, n);
    const auto y = std::span<const double>(steps_).subspan(order[rank] * n, n);
    ranked.insert(ranked.end(), y.begin(), y.end());
    squared_norms.push_back(squared_norm(z));
    const double weight = rates_.weights[rank];
    if (weight <= 0) continue;
    for (std::size_t j = 0; j < n; ++j) {
      mean_normal[j] += weight * z[j];
      mean_step[j] += weight * y[j];
    }
  }
  for (std::size_t j = 0; j < n; ++j) mean_[j] += options_.mean_rate * sigma_ * mean_step[j];

  // Equations 43 and 44.
  const double c = rates_.c_sigma;
  const double step = std::sqrt(c * (2 - c) * rates_.mu_eff);
  const std::vector<double> white = shape_->whitened(mean_normal);
  for (std::size_t j = 0; j < n; ++j) path_[j] = (1 - c) * path_[j] + step * white[j];
  const double length = std::sqrt(squared_norm(path_));
  sigma_ *= std::exp(c / rates_.d_sigma * (length / rates_.expected_norm - 1));

  // The path of C waits while that of sigma is long, and is short of steps at first.
  const double whole = std::sqrt(1 - std::pow(1 - c, 2 * static_cast<double>(generation_ + 1)));
  const bool path_goes_on =
      length / whole < (1.4 + 2 / static_cast<double>(n + 1)) * rates_.expected_norm;
  shape_->adapt({ranked, squared_norms, mean_step, path_goes_on});
  ++generation_;
  normals_.clear();
  steps_.clear();
}

void EvolutionStrategy::save(StateWriter& state) const {
  LETHE_ASSERT(normals_.empty(), "a search is saved between generations");
  state.put_value("evolution.kind", static_cast<std::int64_t>(options_.kind));
  state.put_value("evolution.generation", generation_);
  state.put_value("evolution.random", random_.position());
  state.put_value("evolution.sigma", sigma_);
  state.put("evolution.mean", mean_);
  state.put("evolution.path", path_);
  shape_->save(state);
}

void EvolutionStrategy::load(const StateReader& state) {
  const auto kind = state.get_value<std::int64_t>("evolution.kind");
  if (kind != static_cast<std::int64_t>(options_.kind)) {
    throw Error(ErrorKind::kData,
                "state: it is of another evolution strategy than " + to_string(options_.kind));
  }
  mean_ = saved_numbers(state, "evolution.mean", mean_.size());
  path_ = saved_numbers(state, "evolution.path", path_.size());
  shape_->load(state);
  sigma_ = state.get_value<double>("evolution.sigma");
  random_ = RandomStream(state.get_value<std::uint64_t>("evolution.random"));
  generation_ = state.get_value<std::int64_t>("evolution.generation");
  normals_.clear();
  steps_.clear();
}

}  // namespace lethe::training
