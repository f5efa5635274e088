// SPDX-License-Identifier: Apache-2.0
// The merge table of byte-pair encoding and the merging of one word.
#pragma once

#include <cstddef>
#include <cstdint>
#include <queue>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "harness/base/unicode.h"

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

/// Between which characters a merge can join tokens at all. A text may be cut everywhere else
/// without changing what merging makes of it: whole texts, where no pre-tokenizer splits them,
/// become words.
class MergeBoundaries {
 public:
  /// A merge of the tokens with these texts exists. Both are UTF-8 and not empty.
  void add(std::string_view left, std::string_view right);
  /// Whether some merge joins a token that ends with `before` and one that begins with `after`.
  bool may_join(std::int32_t before, std::int32_t after) const;

  /// Calls `part` with the parts of `word` between which nothing joins, in order. No cut is made
  /// before a character that `is_known` refuses: neighbours without tokens may become one token.
  template <typename IsKnown, typename Part>
  void cut(std::string_view word, IsKnown&& is_known, Part&& part) const {
    constexpr std::size_t kShortWord = 32;  // cutting it gains nothing
    std::size_t begin = 0;
    if (word.size() > kShortWord) {
      CodePoint before = code_point_at(word, 0);
      for (std::size_t at = before.length; at < word.size();) {
        const CodePoint here = code_point_at(word, at);
        if (!may_join(before.value, here.value) && is_known(word.substr(at, here.length))) {
          part(word.substr(begin, at - begin));
          begin = at;
        }
        before = here;
        at += here.length;
      }
    }
    part(word.substr(begin));
  }

 private:
  std::unordered_set<std::uint64_t> pairs_;
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
