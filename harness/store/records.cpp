// SPDX-License-Identifier: Apache-2.0
#include "harness/store/records.h"

#include <array>

#include "harness/base/error.h"

namespace lethe::store {
namespace {

constexpr std::array<const char*, 8> kStatusNames = {"pending", "running", "done",    "failed",
                                                     "oom",     "timeout", "crashed", "skipped"};

}  // namespace

std::string to_string(CellStatus status) {
  return kStatusNames.at(static_cast<std::size_t>(status));
}

CellStatus parse_cell_status(const std::string& text) {
  for (std::size_t i = 0; i < kStatusNames.size(); ++i) {
    if (text == kStatusNames[i]) return static_cast<CellStatus>(i);
  }
  throw Error(ErrorKind::kStore, "'" + text + "' is no cell status");
}

}  // namespace lethe::store
