// SPDX-License-Identifier: Apache-2.0
// Figures printed in papers, read from data/published/ (schema lethe-published-1).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/json.h"

namespace lethe::reports {

struct PublishedValue {
  std::string policy;  ///< the paper's name, e.g. "tova-layer"
  std::optional<std::int64_t> budget;
  std::optional<std::int64_t> length;
  std::string model;                     ///< the table's, where the value names none of its own
  std::string metric;                    ///< where one table has several
  std::string tag;                       ///< part of speech, where the table has them
  std::string task;                      ///< where one table has several
  std::string unit;                      ///< likewise
  std::optional<std::int64_t> segments;  ///< of a segmented input …
  std::optional<std::int64_t> train_segments;  ///< … and of those trained on, at most
  std::optional<std::int64_t> bptt;            ///< earlier segments that the gradient runs through
  std::string setting;                         ///< further coordinates: "steps 2x"
  double value = 0;
  std::optional<double> spread;         ///< standard deviation over runs
  std::optional<double> reading_error;  ///< absolute, of a value read off a drawing; none: printed
  std::string suspect;  ///< why the printed value is probably wrong; "" when it is not
  std::string caution;  ///< a remark a reader of the cell should see
  /// Who restated the value, where it was not read in the paper or in released files; "" for read.
  std::string secondary;
};

struct PublishedTable {
  std::string id;
  std::string title;
  std::string paper;
  std::string arxiv;
  std::string place;  ///< table or figure
  std::string model;
  std::string metric;
  std::string unit;
  std::vector<PublishedValue> values;
  /// Recalled by somebody and read by nobody; `caution` says why. Never beside a measured value.
  std::vector<PublishedValue> unverified;

  const PublishedValue* find(std::string_view policy, std::int64_t budget) const;
  /// Budgets that occur, ascending.
  std::vector<std::int64_t> budgets() const;
  /// The one input length of all values; none when they differ.
  std::optional<std::int64_t> length() const;
};

/// Throws Error(kData) unless the "schema" of a file is the expected one.
void expect_schema(ObjectReader& reader, const std::string& expected);

/// Reads one file. Throws Error(kData) that names file and member when it is missing or malformed.
PublishedTable read_published(const std::filesystem::path& path);

}  // namespace lethe::reports
