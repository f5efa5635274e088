// SPDX-License-Identifier: Apache-2.0
#include "policies/namm/scorer.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "harness/base/error.h"
#include "harness/base/simd.h"
#include "policies/namm/vectors.h"

namespace lethe::policies {
namespace {

using namm::kLanes;
using namm::load;
using namm::round_up;
using namm::store;
using namm::Vec;

constexpr std::size_t kVectors = 2;
constexpr std::size_t kColumns = kVectors * kLanes;  // of a tile
// Rows of a tile: 12 sums, two vectors and a factor fit the 16 registers of AVX2.
constexpr std::size_t kRows = 6;
constexpr float kLowest = std::numeric_limits<float>::lowest();

#define LETHE_INLINE inline __attribute__((always_inline))

/// c[6][16] = bias + a[6][inner] · b[inner][16], sums held in registers; `bias` may be null.
LETHE_INLINE void tile(const float* a, std::size_t lda, const float* b, std::size_t ldb,
                       std::size_t inner, const float* bias, float* c, std::size_t ldc) {
  Vec sum[kRows][kVectors];
  for (std::size_t v = 0; v < kVectors; ++v) {
    Vec start{};
    if (bias) load(start, bias + v * kLanes);
#pragma GCC unroll 6
    for (std::size_t r = 0; r < kRows; ++r) sum[r][v] = start;
  }
  for (std::size_t p = 0; p < inner; ++p) {
    Vec right[kVectors];
#pragma GCC unroll 2
    for (std::size_t v = 0; v < kVectors; ++v) load(right[v], b + p * ldb + v * kLanes);
#pragma GCC unroll 6
    for (std::size_t r = 0; r < kRows; ++r) {
      const float left = a[r * lda + p];
#pragma GCC unroll 2
      for (std::size_t v = 0; v < kVectors; ++v) sum[r][v] += left * right[v];
    }
  }
#pragma GCC unroll 6
  for (std::size_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (std::size_t v = 0; v < kVectors; ++v) store(c + r * ldc + v * kLanes, sum[r][v]);
  }
}

/// `rows` is a multiple of 6, `columns` of 16.
LETHE_MULTIVERSION void product(const float* a, std::size_t lda, std::size_t rows, const float* b,
                                std::size_t columns, std::size_t inner, const float* bias,
                                float* c) {
  for (std::size_t i = 0; i < rows; i += kRows) {
    for (std::size_t j = 0; j < columns; j += kColumns) {
      tile(a + i * lda, lda, b + j, columns, inner, bias + j, c + i * columns + j, columns);
    }
  }
}

/// Scores become exponentials, shifted by the largest. Returns their sum, in a fixed order.
LETHE_INLINE float exp_row(float* scores, std::size_t columns) {
  Vec v, best = Vec{} + kLowest, sums{};
  for (std::size_t j = 0; j < columns; j += kLanes) {
    load(v, scores + j);
    best = v > best ? v : best;
  }
  float lanes[kLanes];
  store(lanes, best);
  const float largest = *std::max_element(lanes, lanes + kLanes);
  for (std::size_t j = 0; j < columns; j += kLanes) {
    load(v, scores + j);
    v -= largest;
    namm::exp_in_place(v);
    store(scores + j, v);
    sums += v;
  }
  store(lanes, sums);
  for (std::size_t width = kLanes / 2; width > 0; width /= 2) {
    for (std::size_t i = 0; i < width; ++i) lanes[i] += lanes[i + width];
  }
  return lanes[0];
}

/// One layer of attention in which row i sees rows i, i + 1, …; `columns` is a multiple of 16.
struct Attention {
  std::size_t tokens;         ///< rows that exist; queries go on to a multiple of 6
  std::size_t columns;        ///< tokens, rounded up
  std::size_t inner;          ///< d
  const float* queries;       ///< [tokens][stride]
  const float* keys;          ///< [d][columns], scaled
  const float* values;        ///< [tokens][stride], read up to a whole number of tiles
  std::size_t stride;         ///< of queries and values
  std::size_t value_columns;  ///< d, rounded up
  float* weights;             ///< room for [6][columns]
  float* out;                 ///< [tokens][value_columns], up to a multiple of 6
};

LETHE_MULTIVERSION void attend_to_newer(const Attention& of) {
  for (std::size_t i = 0; i < of.tokens; i += kRows) {
    const std::size_t first = i / kColumns * kColumns;
    for (std::size_t j = first; j < of.columns; j += kColumns) {
      tile(of.queries + i * of.stride, of.stride, of.keys + j, of.columns, of.inner, nullptr,
           of.weights + j, of.columns);
    }
    float factors[kRows];
    for (std::size_t r = 0; r < kRows; ++r) {
      float* row = of.weights + r * of.columns;
      std::fill(row + first, row + std::min(i + r, of.tokens), kLowest);
      std::fill(row + of.tokens, row + of.columns, kLowest);
      factors[r] = 1 / exp_row(row + first, of.columns - first);
    }
    float* out = of.out + i * of.value_columns;
    for (std::size_t c = 0; c < of.value_columns; c += kColumns) {
      tile(of.weights + first, of.columns, of.values + first * of.stride + c, of.stride,
           of.tokens - first, nullptr, out + c, of.value_columns);
    }
    for (std::size_t r = 0; r < kRows; ++r) {
      for (std::size_t c = 0; c < of.value_columns; ++c)
        out[r * of.value_columns + c] *= factors[r];
    }
  }
}

#undef LETHE_INLINE

/// What one call of score() needs, kept for the next one of the thread.
struct Workspace {
  std::vector<float> x, inner, keys, weights, attended, outer;
};

}  // namespace

std::vector<float> namm_features(const NammParameters& parameters,
                                 std::span<const std::int64_t> positions,
                                 const SpectrumTable& spectrum) {
  static constexpr std::size_t kFrequencies = kNammAgeDims / 2;
  static const std::array<double, kFrequencies> kPace = [] {
    std::array<double, kFrequencies> pace;
    for (std::size_t j = 0; j < kFrequencies; ++j) {
      pace[j] = std::pow(50000.0, -static_cast<double>(j) / kFrequencies);
    }
    return pace;
  }();
  std::vector<float> x(positions.size() * kNammFeatures);
  for (std::size_t i = 0; i < positions.size(); ++i) {
    float* out = x.data() + i * kNammFeatures;
    const auto age = static_cast<double>(positions.back() - positions[i]);
    for (std::size_t j = 0; j < kFrequencies; ++j) {
      out[j] = static_cast<float>(std::sin(age * kPace[j]));
      out[kFrequencies + j] = static_cast<float>(std::cos(age * kPace[j]));
    }
    for (std::size_t k = 0; k < kNammBins; ++k) {
      out[kNammAgeDims + k] = (spectrum[k][i] - parameters.mean[k]) / parameters.deviation[k];
    }
  }
  return x;
}

NammScorer::NammScorer(std::shared_ptr<const NammParameters> parameters)
    : parameters_(std::move(parameters)), hidden_(static_cast<std::size_t>(parameters_->hidden)) {
  check_namm_parameters(*parameters_, "NAMM parameters");
  const float* from = parameters_->weights.data();
  const bool bam = parameters_->variant == NammVariant::kBam;
  first_ = take(from, kNammFeatures, bam ? 3 * hidden_ : hidden_);
  second_ = take(from, hidden_, bam ? 2 * kNammFeatures : kNammFeatures);
  head_ = {from, kNammFeatures};
  bias_ = from[kNammFeatures];
}

NammScorer::Linear NammScorer::take(const float*& from, std::size_t inputs,
                                    std::size_t outputs) const {
  // So wide that whole tiles of the last d columns, BAM's values, lie inside.
  const std::size_t last = std::min(outputs, hidden_);
  Linear map{inputs, round_up(outputs - last + round_up(last, kColumns), kColumns), {}, {}};
  map.weights.resize(inputs * map.columns);
  map.bias.resize(map.columns);
  for (std::size_t i = 0; i < inputs; ++i, from += outputs) {
    std::copy_n(from, outputs, map.weights.data() + i * map.columns);
  }
  std::copy_n(from, outputs, map.bias.data());
  from += outputs;
  return map;
}

void NammScorer::score(std::span<const float> x, std::span<float> scores) const {
  const std::size_t tokens = scores.size();
  LETHE_ASSERT(x.size() == tokens * kNammFeatures, "one row of features per score");
  if (tokens == 0) return;
  thread_local Workspace work;
  const std::size_t rows = round_up(tokens, kRows);
  work.x.assign(x.begin(), x.end());
  work.x.resize(rows * kNammFeatures);
  work.inner.resize(rows * first_.columns);
  product(work.x.data(), kNammFeatures, rows, first_.weights.data(), first_.columns, first_.inputs,
          first_.bias.data(), work.inner.data());
  const bool bam = parameters_->variant == NammVariant::kBam;
  std::size_t stride = first_.columns;
  const float* hidden = work.inner.data();
  if (bam) {
    Attention of{};
    of.tokens = tokens;
    of.columns = round_up(tokens, kColumns);
    of.inner = hidden_;
    of.queries = work.inner.data();
    of.values = work.inner.data() + 2 * hidden_;
    of.stride = first_.columns;
    of.value_columns = stride = round_up(hidden_, kColumns);
    const float scale = 1 / std::sqrt(static_cast<float>(hidden_));
    work.keys.resize(hidden_ * of.columns);
    for (std::size_t c = 0; c < hidden_; ++c) {
      for (std::size_t i = 0; i < tokens; ++i) {
        work.keys[c * of.columns + i] = work.inner[i * of.stride + hidden_ + c] * scale;
      }
      std::fill_n(work.keys.data() + c * of.columns + tokens, of.columns - tokens, 0.0F);
    }
    work.weights.resize(kRows * of.columns);
    work.attended.resize(rows * of.value_columns);
    of.keys = work.keys.data();
    of.weights = work.weights.data();
    of.out = work.attended.data();
    attend_to_newer(of);
    hidden = work.attended.data();
  } else {
    for (float& value : work.inner) value = std::max(value, 0.0F);
  }
  work.outer.resize(rows * second_.columns);
  product(hidden, stride, rows, second_.weights.data(), second_.columns, second_.inputs,
          second_.bias.data(), work.outer.data());
  for (std::size_t i = 0; i < tokens; ++i) {
    const float* features = x.data() + i * kNammFeatures;
    const float* residual = work.outer.data() + i * second_.columns;
    float sum = bias_;
    for (std::size_t c = 0; c < kNammFeatures; ++c) {
      const float factor = bam ? 1 + residual[kNammFeatures + c] : 1.0F;
      sum += (features[c] * factor + residual[c]) * head_[c];
    }
    scores[i] = sum;
  }
}

}  // namespace lethe::policies
