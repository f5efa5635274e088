// SPDX-License-Identifier: Apache-2.0
// Longest common subsequences, 64 columns at a time: what ROUGE-L and edit ratios are made of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace lethe::tasks {

using WordId = std::uint32_t;
using WordIds = std::vector<WordId>;

/// Numbers words in the order of their appearance.
class WordNumbers {
 public:
  WordId operator()(const std::string& word);
  std::size_t size() const { return numbers_.size(); }

 private:
  std::unordered_map<std::string, WordId> numbers_;
};

/// One longest common subsequence of a row sequence and a column sequence.
struct LcsWalk {
  std::vector<std::size_t> rows;  ///< its places in the row sequence, last first
  std::size_t steps = 0;          ///< steps back from the end of both to the start of one
};

/// A sequence, prepared to be compared with others. T[i][j] below is the length of a longest common
/// subsequence of the first i elements of the rows and the first j of the columns. Time is
/// rows * columns / 64 machine words at worst, memory its square root.
class LcsColumns {
 public:
  explicit LcsColumns(std::span<const WordId> columns);

  /// Each of its elements once, sorted.
  const WordIds& elements() const { return elements_; }
  std::size_t length(std::span<const WordId> rows) const;
  /// Walks back from the ends: equal elements are taken; else one column is left where T[i][j-1] >
  /// T[i-1][j], and one row otherwise.
  LcsWalk walk(std::span<const WordId> rows) const;

 private:
  struct Entry {
    std::uint32_t word;  ///< which 64 columns
    std::uint64_t mask;  ///< those of them that hold the element
  };
  using Bits = std::vector<std::uint64_t>;

  std::span<const Entry> entries(WordId element) const;
  void advance(std::uint64_t* bits, WordId row) const;
  std::size_t length_below(const std::uint64_t* bits, std::size_t columns) const;

  WordIds columns_;
  std::size_t words_;
  WordIds elements_;
  std::vector<std::size_t> starts_;  ///< of each element's entries; one more at the end
  std::vector<Entry> entries_;
};

}  // namespace lethe::tasks
