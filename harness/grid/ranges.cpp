// SPDX-License-Identifier: Apache-2.0
#include <string>

#include "harness/base/error.h"
#include "harness/base/spec.h"
#include "harness/grid/suite.h"

namespace lethe::grid {
namespace {

constexpr std::size_t kMaxValues = 1'000'000;

[[noreturn]] void malformed(std::string_view text, std::string_view where, const std::string& why) {
  throw Error(
      ErrorKind::kConfig,
      std::string(where) + ": '" + std::string(text) + "' " + why +
          "; write an integer (7), a range (1..5), a range with a step (0..100+25) or with a "
          "factor (64..4096*2)");
}

}  // namespace

std::vector<std::int64_t> expand_range(std::string_view text, std::string_view where) {
  const auto number = [&](std::string_view part) {
    const auto value = parse_integer(part);
    if (!value) {
      malformed(text, where, "is no range: expected an integer, found '" + std::string(part) + "'");
    }
    return *value;
  };
  const auto dots = text.find("..");
  if (dots == std::string_view::npos) return {number(text)};

  const std::int64_t low = number(text.substr(0, dots));
  std::string_view rest = text.substr(dots + 2);
  const auto sign = rest.find_first_of("*+");
  const std::int64_t high = number(rest.substr(0, sign));
  const bool geometric = sign != std::string_view::npos && rest[sign] == '*';
  const std::int64_t step = sign == std::string_view::npos ? 1 : number(rest.substr(sign + 1));
  if (low > high) malformed(text, where, "is an empty range: its start is above its end");
  if (geometric && (low < 1 || step < 2)) {
    malformed(text, where, "never ends: a factor needs a start of at least 1 and to be at least 2");
  }
  if (!geometric && step < 1) malformed(text, where, "never ends: a step has to be at least 1");

  std::vector<std::int64_t> values;
  for (std::int64_t value = low;;) {
    values.push_back(value);
    if (values.size() > kMaxValues) {
      malformed(text, where, "has more than " + std::to_string(kMaxValues) + " values");
    }
    std::int64_t next = 0;
    const bool overflow = geometric ? __builtin_mul_overflow(value, step, &next)
                                    : __builtin_add_overflow(value, step, &next);
    if (overflow || next > high) return values;
    value = next;
  }
}

}  // namespace lethe::grid
