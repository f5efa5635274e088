// SPDX-License-Identifier: Apache-2.0
#include "policies/namm/spectrogram.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "harness/base/error.h"
#include "harness/base/simd.h"
#include "harness/base/state_file.h"
#include "policies/namm/vectors.h"

namespace lethe::policies {
namespace {

using namm::kLanes;
using namm::load;
using namm::store;
using namm::Vec;

constexpr std::size_t kHalf = kNammWindow / 2;
constexpr std::size_t kQuarter = kNammWindow / 4;

/// cosine[k][n] = cos(2 pi k n / 32), sine likewise; window[n] of the periodic Hann window, whose
/// sum is 16.
struct Tables {
  Tables() {
    const auto angle = [](std::size_t i) {
      return 2 * std::numbers::pi * static_cast<double>(i % kNammWindow) /
             static_cast<double>(kNammWindow);
    };
    for (std::size_t n = 0; n <= kHalf; ++n) {
      window[n] = static_cast<float>(0.5 - 0.5 * std::cos(angle(n)));
    }
    for (std::size_t k = 0; k < kNammBins; ++k) {
      for (std::size_t n = 0; n <= kQuarter; ++n) {
        cosine[k][n] = static_cast<float>(std::cos(angle(k * n)));
        sine[k][n] = static_cast<float>(std::sin(angle(k * n)));
      }
    }
    const double kept = std::pow(0.99, static_cast<double>(kNammHop));
    decay = static_cast<float>(kept);
    gain = static_cast<float>(1 - kept);
  }
  float window[kHalf + 1];  // the other half is its mirror image
  float cosine[kNammBins][kQuarter + 1];
  float sine[kNammBins][kQuarter + 1];
  float decay, gain;
};

const Tables& tables() {
  static const Tables kTables;
  return kTables;
}

/// One frame of eight tokens: rows[n] + first are their values in row n. Real values and a
/// symmetric window: 32 values fold into 9 cosine and 8 sine terms per frequency.
inline __attribute__((always_inline)) void transform(const Tables& t, const float* const* rows,
                                                     std::size_t first, float* const* omega) {
  // Even and odd parts about the middle of the window. Its first value has no weight.
  Vec even[kHalf + 1], odd[kHalf + 1];
  even[0] = odd[0] = odd[kHalf] = Vec{};
  load(even[kHalf], rows[kHalf] + first);
  for (std::size_t n = 1; n < kHalf; ++n) {
    Vec low, high;
    load(low, rows[n] + first);
    load(high, rows[kNammWindow - n] + first);
    even[n] = (low + high) * t.window[n];
    odd[n] = (low - high) * t.window[n];
  }
  // Folded once more: [0] for even frequencies, [1] for odd ones.
  Vec cosines[2][kQuarter + 1], sines[2][kQuarter + 1];
  for (std::size_t n = 0; n < kQuarter; ++n) {
    cosines[0][n] = even[n] + even[kHalf - n];
    cosines[1][n] = even[n] - even[kHalf - n];
    sines[0][n] = odd[n] - odd[kHalf - n];
    sines[1][n] = odd[n] + odd[kHalf - n];
  }
  cosines[0][kQuarter] = even[kQuarter];
  cosines[1][kQuarter] = sines[0][kQuarter] = Vec{};
  sines[1][kQuarter] = odd[kQuarter];
  float magnitudes[kNammBins * kLanes];
  for (std::size_t k = 0; k < kNammBins; ++k) {
    Vec re{}, im{};
#pragma GCC unroll 9
    for (std::size_t n = 0; n <= kQuarter; ++n) {
      re += cosines[k % 2][n] * t.cosine[k][n];
      im += sines[k % 2][n] * t.sine[k][n];
    }
    store(magnitudes + k * kLanes, re * re + im * im);
  }
  for (float& value : magnitudes) value = std::sqrt(value);
  for (std::size_t k = 0; k < kNammBins; ++k) {
    Vec average, magnitude;
    load(average, omega[k] + first);
    load(magnitude, magnitudes + k * kLanes);
    store(omega[k] + first, average * t.decay + magnitude * t.gain);
  }
}

LETHE_MULTIVERSION void transform_all(const Tables& t, const float* const* rows, std::size_t tokens,
                                      float* const* omega) {
  for (std::size_t first = 0; first + kLanes <= tokens; first += kLanes) {
    transform(t, rows, first, omega);
  }
}

void pad(std::vector<float>& values, std::size_t size) {
  values.resize(size, 0.0F);
}

/// One pass closes all the gaps. Victims beyond the end are tokens that the list does not know yet.
void drop_from(std::vector<float>& values, std::span<const std::size_t> victims) {
  std::size_t to = victims.front(), next = 0;
  if (to >= values.size()) return;
  for (std::size_t from = to; from < values.size(); ++from) {
    if (next < victims.size() && victims[next] == from) {
      ++next;
    } else {
      values[to++] = values[from];
    }
  }
  values.resize(to);
}

}  // namespace

void Spectrogram::add_row(std::span<const double> row) {
  std::vector<float>& values = rows_[kNammHop + filled_];
  values.resize(row.size());
  std::transform(row.begin(), row.end(), values.begin(),
                 [](double value) { return static_cast<float>(value); });
  tokens_ = row.size();
  if (++filled_ == kNammHop) end_frame();
}

void Spectrogram::end_frame() {
  // A whole number of vectors; what stands beyond the tokens is zero, and cut off again.
  const std::size_t padded = namm::round_up(tokens_, kLanes);
  std::array<const float*, kNammWindow> rows;
  std::array<float*, kNammBins> omega;
  for (std::size_t n = 0; n < kNammWindow; ++n) {
    pad(rows_[n], padded);
    rows[n] = rows_[n].data();
  }
  for (std::size_t k = 0; k < kNammBins; ++k) {
    pad(spectrum_[k], padded);
    omega[k] = spectrum_[k].data();
  }
  transform_all(tables(), rows.data(), padded, omega.data());
  for (auto& values : rows_) values.resize(tokens_);
  for (auto& values : spectrum_) values.resize(tokens_);
  std::swap_ranges(rows_.begin(), rows_.begin() + kNammHop, rows_.begin() + kNammHop);
  filled_ = 0;
}

void Spectrogram::drop(std::span<const std::size_t> victims) {
  if (victims.empty()) return;
  const std::size_t held = kNammHop + filled_;
  for (std::size_t n = 0; n < held; ++n) drop_from(rows_[n], victims);
  for (auto& values : spectrum_) drop_from(values, victims);
  tokens_ -= victims.size();
}

void Spectrogram::save(StateWriter& out, const std::string& prefix) const {
  const auto flat = [&](std::span<const std::vector<float>> lists) {
    std::vector<float> all;
    all.reserve(lists.size() * tokens_);
    for (const auto& values : lists) {
      all.insert(all.end(), values.begin(), values.end());
      all.resize(all.size() + tokens_ - values.size(), 0.0F);
    }
    return all;
  };
  out.put_value(prefix + "tokens", static_cast<std::int64_t>(tokens_));
  out.put_value(prefix + "filled", static_cast<std::int64_t>(filled_));
  out.put(prefix + "rows", flat(std::span(rows_).first(kNammHop + filled_)));
  out.put(prefix + "spectrum", flat(spectrum_));
}

bool Spectrogram::saved(const StateReader& in, const std::string& prefix) {
  return in.has(prefix + "tokens");
}

void Spectrogram::load(const StateReader& in, const std::string& prefix) {
  const auto tokens = in.get_value<std::int64_t>(prefix + "tokens");
  const auto filled = in.get_value<std::int64_t>(prefix + "filled");
  if (tokens < 0 || filled < 0 || filled >= static_cast<std::int64_t>(kNammHop)) {
    throw Error(ErrorKind::kData, "state: '" + prefix + "' is no spectrogram");
  }
  tokens_ = static_cast<std::size_t>(tokens);
  filled_ = static_cast<std::size_t>(filled);
  const auto read = [&](const std::string& name, std::span<std::vector<float>> lists) {
    const auto all = in.get<float>(prefix + name);
    if (all.size() != lists.size() * tokens_) {
      throw Error(ErrorKind::kData, "state: '" + prefix + name + "': expected " +
                                        std::to_string(lists.size()) + " rows of " +
                                        std::to_string(tokens_) + " tokens, found " +
                                        std::to_string(all.size()) + " numbers");
    }
    for (std::size_t i = 0; i < lists.size(); ++i) {
      const auto begin = all.begin() + static_cast<std::ptrdiff_t>(i * tokens_);
      lists[i].assign(begin, begin + tokens);
    }
  };
  read("rows", std::span(rows_).first(kNammHop + filled_));
  read("spectrum", spectrum_);
}

}  // namespace lethe::policies
