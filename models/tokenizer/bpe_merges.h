// SPDX-License-Identifier: Apache-2.0
// The merge table of byte-pair encoding and the merging of one word.
#pragma once

#include <cstddef>
#include <cstdint>
#include <queue>
#include <unordered_map>
#include <vector>

namespace lethe::models {

/// Which pair of tokens becomes which token, and in what order of preference.
class BpeMerges {
 public:
  struct Merge {
    std::uint32_t rank;
    std::int32_t token;
  };

  void reserve(std::size_t count) { merges_.reserve(count); }
  /// A pair that is already there keeps its first, better rank.
  void add(std::int32_t left, std::int32_t right, Merge merge);
  const Merge* find(std::int32_t left, std::int32_t right) const;

 private:
  struct PairHash {
    std::size_t operator()(std::uint64_t pair) const;
  };
  std::unordered_map<std::uint64_t, Merge, PairHash> merges_;
};

/// Merges words, one after the other, in O(n log n) of the word's length. Holds the scratch memory;
/// one per thread.
class BpeMerger {
 public:
  explicit BpeMerger(const BpeMerges& merges) : merges_(merges) {}
  /// Applies the best-ranked merge, leftmost first among equals, until none is left.
  void merge(std::vector<std::int32_t>& tokens);

 private:
  struct Symbol {
    std::int32_t token;
    std::int32_t previous;  ///< index of the live neighbour, -1 at the ends
    std::int32_t next;
  };
  struct Candidate {
    std::uint32_t rank;
    std::int32_t at;    ///< index of the left symbol
    std::int32_t left;  ///< the tokens when the candidate was found: stale when they changed
    std::int32_t right;
    std::int32_t token;
  };
  struct Later {
    bool operator()(const Candidate& a, const Candidate& b) const {
      return a.rank != b.rank ? a.rank > b.rank : a.at > b.at;
    }
  };

  void propose(std::int32_t at);

  const BpeMerges& merges_;
  std::vector<Symbol> symbols_;
  std::priority_queue<Candidate, std::vector<Candidate>, Later> queue_;
};

}  // namespace lethe::models
