// SPDX-License-Identifier: Apache-2.0
#include "harness/base/spec.h"

#include <algorithm>
#include <charconv>

#include "harness/base/names.h"

namespace lethe {

std::optional<std::int64_t> parse_integer(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

Spec Spec::parse(std::string_view text, ErrorKind kind) {
  const auto fail = [&](const std::string& why) {
    return Error(kind, "'" + std::string(text) + "': " + why +
                           " (expected name or name:key=value,key=value)");
  };
  Spec spec;
  const auto colon = text.find(':');
  spec.name = std::string(text.substr(0, colon));
  if (spec.name.empty()) throw fail("the name is empty");
  if (colon == std::string_view::npos) return spec;
  std::string_view rest = text.substr(colon + 1);
  while (true) {
    const auto comma = rest.find(',');
    const std::string_view item = rest.substr(0, comma);
    const auto equals = item.find('=');
    if (equals == std::string_view::npos || equals == 0 || equals + 1 == item.size()) {
      throw fail("option '" + std::string(item) + "' is not key=value");
    }
    const std::string key(item.substr(0, equals));
    if (spec.find(key)) throw fail("option '" + key + "' is given twice");
    spec.options.emplace_back(key, std::string(item.substr(equals + 1)));
    if (comma == std::string_view::npos) break;
    rest = rest.substr(comma + 1);
  }
  std::sort(spec.options.begin(), spec.options.end());
  return spec;
}

std::string Spec::text() const {
  auto sorted = options;
  std::sort(sorted.begin(), sorted.end());
  std::string out = name;
  char separator = ':';
  for (const auto& [key, value] : sorted) {
    out += separator;
    out += key + "=" + value;
    separator = ',';
  }
  return out;
}

const std::string* Spec::find(std::string_view key) const {
  for (const auto& [name_, value] : options) {
    if (name_ == key) return &value;
  }
  return nullptr;
}

std::int64_t Spec::integer(std::string_view key, std::int64_t fallback, std::int64_t low,
                           std::int64_t high, ErrorKind kind) const {
  const auto* text = find(key);
  if (!text) return fallback;
  const auto value = parse_integer(*text);
  if (!value || *value < low || *value > high) {
    throw Error(kind, name + ": option " + std::string(key) + "=" + *text +
                          " is not an integer between " + std::to_string(low) + " and " +
                          std::to_string(high));
  }
  return *value;
}

std::string Spec::choice(std::string_view key, std::string_view fallback,
                         std::span<const std::string> choices, ErrorKind kind) const {
  const auto* text = find(key);
  if (!text) return std::string(fallback);
  if (std::find(choices.begin(), choices.end(), *text) != choices.end()) return *text;
  throw unknown_name(kind, name + ": " + std::string(key), *text, choices);
}

void Spec::check_known(std::span<const std::string> known, ErrorKind kind) const {
  for (const auto& [key, value] : options) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    if (known.empty()) throw Error(kind, name + ": takes no options, found " + key + "=" + value);
    throw unknown_name(kind, name + ": option", key, known);
  }
}

}  // namespace lethe
