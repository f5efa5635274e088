// SPDX-License-Identifier: Apache-2.0
// A set of texts, searched byte by byte for those that begin at a place.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace lethe::models {

/// Maps texts to numbers. Looking costs one step per byte of the longest text that is found or
/// begun, however many texts there are.
class ByteTrie {
 public:
  /// Adds a text or replaces its number. The empty text is never found.
  void add(std::string_view text, std::int32_t number) {
    std::int32_t node = 0;
    for (const char byte : text) {
      auto& child = node == 0 ? roots_[static_cast<unsigned char>(byte)] : child_slot(node, byte);
      if (child == 0) {
        child = static_cast<std::int32_t>(numbers_.size());
        numbers_.push_back(kNone);
      }
      node = child;
    }
    numbers_[static_cast<std::size_t>(node)] = number;
  }

  /// Calls `found(length, number)` for every text that begins at byte `at`, shortest first.
  template <typename Found>
  void prefixes(std::string_view text, std::size_t at, Found&& found) const {
    if (at >= text.size()) return;
    std::int32_t node = roots_[static_cast<unsigned char>(text[at])];
    for (std::size_t end = at + 1; node != 0; ++end) {
      const std::int32_t number = numbers_[static_cast<std::size_t>(node)];
      if (number != kNone) found(end - at, number);
      if (end == text.size()) return;
      const auto next = children_.find(key(node, text[end]));
      node = next == children_.end() ? 0 : next->second;
    }
  }

 private:
  static constexpr std::int32_t kNone = -1;
  static std::uint64_t key(std::int32_t node, char byte) {
    return (static_cast<std::uint64_t>(node) << 8) | static_cast<unsigned char>(byte);
  }
  std::int32_t& child_slot(std::int32_t node, char byte) { return children_[key(node, byte)]; }

  std::array<std::int32_t, 256> roots_{};  ///< 0: no child
  std::unordered_map<std::uint64_t, std::int32_t> children_;
  std::vector<std::int32_t> numbers_ = {kNone};
};

}  // namespace lethe::models
