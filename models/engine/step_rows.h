// SPDX-License-Identifier: Apache-2.0
// How many rows the products of a decoding step have, so that no bit of a sample depends on how
// many samples run beside it.
#pragma once

#include <cstdint>
#include <map>

#include "models/transformer/decoder.h"

namespace lethe::models {

/// A library's product may choose another kernel, and another order of sums, for another number of
/// rows. Whether it does is measured, once for each number: a decoder's first layer and head are
/// computed with so many rows and with kReference, and every bit compared. `decoder` must outlive
/// this.
class StepRows {
 public:
  static constexpr std::int64_t kReference = 32;

  explicit StepRows(const Decoder& decoder) : decoder_(decoder) {}

  /// Rows for `lanes` samples: the next multiple of eight where a row has the bits it has among
  /// kReference, else kReference: then more lanes take their steps in groups of so many.
  std::int64_t of(std::int64_t lanes);

 private:
  bool agree(std::int64_t rows) const;

  const Decoder& decoder_;
  std::map<std::int64_t, bool> agreed_;  // by rows
};

}  // namespace lethe::models
