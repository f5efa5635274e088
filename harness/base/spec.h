// SPDX-License-Identifier: Apache-2.0
// The text form "name:key=value,key=value" in which policies and schedules are written.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/base/error.h"

namespace lethe {

/// A name with options. Thread-safe as a value.
struct Spec {
  std::string name;
  std::vector<std::pair<std::string, std::string>> options;

  /// Parses "name" or "name:key=value,…". Throws Error(kind) on an empty name, an option without
  /// '=', or an option given twice.
  static Spec parse(std::string_view text, ErrorKind kind);
  /// "name:key=value,…" with the options sorted by key.
  std::string text() const;

  const std::string* find(std::string_view key) const;
  /// Integer option. Throws Error(kind) when it is not an integer within [low, high].
  std::int64_t integer(std::string_view key, std::int64_t fallback, std::int64_t low,
                       std::int64_t high, ErrorKind kind) const;
  /// One of `choices`. Throws Error(kind) otherwise.
  std::string choice(std::string_view key, std::string_view fallback,
                     std::span<const std::string> choices, ErrorKind kind) const;
  /// Throws Error(kind) when an option is not among `known`.
  void check_known(std::span<const std::string> known, ErrorKind kind) const;
};

/// Reads a whole decimal integer; nothing when the text is anything else or overflows.
std::optional<std::int64_t> parse_integer(std::string_view text);

}  // namespace lethe
