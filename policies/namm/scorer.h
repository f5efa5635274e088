// SPDX-License-Identifier: Apache-2.0
// The network of a neural attention memory model: features of the cached tokens of one KV head ->
// one score each (NAMM, arXiv 2410.13166, section 3; reference: its released code).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "policies/namm/parameters.h"
#include "policies/namm/spectrogram.h"

namespace lethe::policies {

/// x [tokens][25] of tokens ordered old -> new: for r = the newest position - the token's own,
/// sin(r f_j), cos(r f_j) with f_j = 50000^(-j/4), j = 0 … 3; then the spectrum, each frequency
/// standardised by the parameters' mean and deviation.
std::vector<float> namm_features(const NammParameters& parameters,
                                 std::span<const std::int64_t> positions,
                                 const SpectrumTable& spectrum);

/// Parameters made ready for scoring; immutable, so one serves all layers and threads.
///
/// kBam, with d = hidden:
///   [Q K V] = x W_qkv + b_qkv
///   P       = softmax(Q K^T / sqrt(d)) over the token itself and newer ones ("counter-causal")
///   [r m]   = P V W_o + b_o
///   score   = (x (1 + m) + r) · w + b
/// kMlp: score = (x + relu(x W_1 + b_1) W_2 + b_2) · w + b, in the form of the released code's
/// alternative scorer; the sizes that the paper compares with are not known.
class NammScorer {
 public:
  /// Throws Error(kData) as check_namm_parameters() does.
  explicit NammScorer(std::shared_ptr<const NammParameters> parameters);

  const NammParameters& parameters() const { return *parameters_; }
  /// `x`: as namm_features(). `scores`: one per token. In float32, the attention in blocks of rows:
  /// no array of tokens x tokens is formed.
  void score(std::span<const float> x, std::span<float> scores) const;

 private:
  /// A linear map with its bias, [inputs][columns], columns padded with zeros to whole vectors.
  struct Linear {
    std::size_t inputs = 0, columns = 0;
    std::vector<float> weights, bias;
  };
  Linear take(const float*& from, std::size_t inputs, std::size_t outputs) const;

  std::shared_ptr<const NammParameters> parameters_;
  std::size_t hidden_;
  Linear first_, second_;
  std::span<const float> head_;  ///< w
  float bias_ = 0;
};

}  // namespace lethe::policies
