// SPDX-License-Identifier: Apache-2.0
// What a neural attention memory model sees of the attention a token receives: the spectrum of its
// column, averaged over time (NAMM, arXiv 2410.13166, section 3; reference: its released code).
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "policies/namm/parameters.h"

namespace lethe {
class StateReader;
class StateWriter;
}  // namespace lethe

namespace lethe::policies {

/// [frequency][token].
using SpectrumTable = std::array<std::vector<float>, kNammBins>;

/// The columns of one KV head's attention. Rows arrive one at a time; after every 16th the last 32
/// values a of each token's column are transformed,
///   X[k] = | sum over n of hann[n] a[n] exp(-2 pi i k n / 32) |,  k = 0 … 16,
/// with the periodic Hann window, and averaged: omega <- g omega + (1 - g) X, g = 0.99^16. Values
/// before a token's first row are zero, as causal attention has them. Between calls at most 32 rows
/// are held, whatever the interval between two updates; float32.
class Spectrogram {
 public:
  /// Weights of one query over the cached tokens; tokens that no earlier row has come last.
  void add_row(std::span<const double> row);
  /// Whether the last row completed a frame, so that the spectrum is up to date.
  bool at_frame() const { return filled_ == 0; }
  std::size_t tokens() const { return tokens_; }
  /// omega: [17][tokens] after a frame.
  const SpectrumTable& spectrum() const { return spectrum_; }
  /// These tokens left the cache; ascending.
  void drop(std::span<const std::size_t> victims);

  void save(StateWriter& out, const std::string& prefix) const;
  /// Whether save() wrote one under this prefix.
  static bool saved(const StateReader& in, const std::string& prefix);
  /// Throws Error(kData) on what save() cannot have written.
  void load(const StateReader& in, const std::string& prefix);

 private:
  void end_frame();

  std::size_t tokens_ = 0;
  std::size_t filled_ = 0;  ///< rows of the frame that is being filled
  /// The 16 rows of the frame before, then those of this one. A row that is older than a token ends
  /// before it: what is missing is zero.
  std::array<std::vector<float>, kNammWindow> rows_;
  SpectrumTable spectrum_;  ///< likewise
};

}  // namespace lethe::policies
