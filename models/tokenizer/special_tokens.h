// SPDX-License-Identifier: Apache-2.0
// Finding the texts of special tokens: leftmost first, longest among those that start together.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::models {

/// A set of token texts to look for.
class SpecialTokens {
 public:
  struct Match {
    std::size_t begin;
    std::size_t length;
    std::int32_t token;
  };

  /// An empty text is never found.
  void add(std::string_view text, std::int32_t token);
  /// The first match at or after `from`.
  std::optional<Match> find(std::string_view text, std::size_t from) const;

 private:
  struct Entry {
    std::string text;
    std::int32_t token;
  };
  std::array<std::vector<Entry>, 256> by_first_byte_;  ///< each longest first
};

}  // namespace lethe::models
