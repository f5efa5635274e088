// SPDX-License-Identifier: Apache-2.0
#include <optional>
#include <string>

#include "harness/base/error.h"
#include "harness/base/spec.h"
#include "harness/grid/axes.h"

namespace lethe::grid {
namespace {

constexpr std::size_t kMaxValues = 1'000'000;

[[noreturn]] void malformed(std::string_view text, std::string_view where, const std::string& why) {
  throw Error(
      ErrorKind::kConfig,
      std::string(where) + ": '" + std::string(text) + "' " + why +
          "; write an integer (7), a range (1..5), a range with a step (0..100+25) or with a "
          "factor (64..4096*2), or powers (2^6..2^12)");
}

struct Number {
  std::int64_t value = 0;
  std::int64_t base = 0;  ///< of a number written as a power, else 0
};

/// "64" or "2^6"; nothing when the text is anything else or overflows.
std::optional<Number> parse_number(std::string_view text) {
  const auto caret = text.find('^');
  const auto base = parse_integer(text.substr(0, caret));
  if (!base) return std::nullopt;
  if (caret == std::string_view::npos) return Number{*base, 0};
  const auto exponent = parse_integer(text.substr(caret + 1));
  if (!exponent || *base < 2 || *exponent < 0) return std::nullopt;
  std::int64_t value = 1;
  for (std::int64_t i = 0; i < *exponent; ++i) {
    if (__builtin_mul_overflow(value, *base, &value)) return std::nullopt;
  }
  return Number{value, *base};
}

}  // namespace

std::vector<std::int64_t> expand_range(std::string_view text, std::string_view where) {
  const auto number = [&](std::string_view part) {
    const auto value = parse_number(part);
    if (!value) {
      malformed(text, where, "is no range: expected an integer, found '" + std::string(part) + "'");
    }
    return *value;
  };
  const auto dots = text.find("..");
  if (dots == std::string_view::npos) return {number(text).value};

  const Number low = number(text.substr(0, dots));
  std::string_view rest = text.substr(dots + 2);
  const auto sign = rest.find_first_of("*+");
  const Number high = number(rest.substr(0, sign));
  bool geometric = sign != std::string_view::npos && rest[sign] == '*';
  std::int64_t step = sign == std::string_view::npos ? 1 : number(rest.substr(sign + 1)).value;
  if (sign == std::string_view::npos && (low.base != 0 || high.base != 0)) {
    if (low.base != high.base) {
      malformed(text, where, "mixes powers: both ends have to be powers of one number");
    }
    geometric = true;
    step = low.base;
  }
  if (low.value > high.value) {
    malformed(text, where, "is an empty range: its start is above its end");
  }
  if (geometric && (low.value < 1 || step < 2)) {
    malformed(text, where, "never ends: a factor needs a start of at least 1 and to be at least 2");
  }
  if (!geometric && step < 1) malformed(text, where, "never ends: a step has to be at least 1");

  std::vector<std::int64_t> values;
  for (std::int64_t value = low.value;;) {
    values.push_back(value);
    if (values.size() > kMaxValues) {
      malformed(text, where, "has more than " + std::to_string(kMaxValues) + " values");
    }
    std::int64_t next = 0;
    const bool overflow = geometric ? __builtin_mul_overflow(value, step, &next)
                                    : __builtin_add_overflow(value, step, &next);
    if (overflow || next > high.value) return values;
    value = next;
  }
}

}  // namespace lethe::grid
