// SPDX-License-Identifier: Apache-2.0
// GPT-2 in plain loops of doubles, without LibTorch: what the segments of a recurrent decoder are
// compared with.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

#include "models/checkpoint/checkpoint.h"

namespace lethe::test {

using Rows = std::vector<std::vector<double>>;

class PlainGpt2 {
 public:
  explicit PlainGpt2(const models::Checkpoint& checkpoint) : checkpoint_(checkpoint) {}

  /// Row `id` of the table of word embeddings.
  std::vector<double> embedding(std::int64_t id) const;
  /// Hidden states after the final norm of inputs at positions 0, 1, …; sees(row, column).
  Rows hidden(Rows inputs, const std::function<bool(std::size_t, std::size_t)>& sees) const;
  /// Scores of every token.
  std::vector<double> logits(const std::vector<double>& hidden) const;
  /// A matrix of the checkpoint as it is stored.
  Rows matrix(const std::string& name) const;

 private:
  std::vector<double> vector(const std::string& name) const;
  std::vector<double> normed(const std::vector<double>& x, const std::string& name) const;
  /// x · W + b of a Conv1D.
  std::vector<double> conv(const std::vector<double>& x, const std::string& name) const;

  const models::Checkpoint& checkpoint_;
};

}  // namespace lethe::test
