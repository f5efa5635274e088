// SPDX-License-Identifier: Apache-2.0
#include "policies/positions.h"

#include <array>

#include "harness/base/error.h"
#include "harness/base/names.h"

namespace lethe::policies {
namespace {

const std::array<std::string, 4> kNames = {"original", "cache-relative", "compressed",
                                           "compressed-paper"};

}  // namespace

Positions parse_positions(std::string_view text) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (text == kNames[i]) return static_cast<Positions>(i);
  }
  throw unknown_name(ErrorKind::kConfig, "positions", text, kNames);
}

std::string to_string(Positions positions) {
  return kNames[static_cast<std::size_t>(positions)];
}

void check_positions(const PolicyPlan& policy, Positions positions) {
  if (positions == Positions::kOriginal || !policy.traits.reads_whole_text) return;
  throw Error(ErrorKind::kConfig, "policy '" + policy.text +
                                      "' looks at the whole text at once; it has positions "
                                      "'original' only, found '" +
                                      to_string(positions) + "'");
}

}  // namespace lethe::policies
