// SPDX-License-Identifier: Apache-2.0
#include "harness/store/records.h"

#include <array>
#include <string_view>

#include "harness/base/error.h"
#include "harness/base/hash.h"

namespace lethe::store {
namespace {

constexpr std::array<const char*, 8> kCellStatusNames = {
    "pending", "running", "done", "failed", "oom", "timeout", "crashed", "skipped"};
constexpr std::array<const char*, 5> kTrainingStatusNames = {"pending", "running", "done", "failed",
                                                             "interrupted"};

// Index of `text` among the names of an enumeration.
template <std::size_t n>
std::size_t place_among(const std::array<const char*, n>& names, const std::string& text,
                        std::string_view what) {
  for (std::size_t i = 0; i < n; ++i) {
    if (text == names[i]) return i;
  }
  throw Error(ErrorKind::kStore, "'" + text + "' is no " + std::string(what));
}

}  // namespace

std::string to_string(CellStatus status) {
  return kCellStatusNames.at(static_cast<std::size_t>(status));
}

CellStatus parse_cell_status(const std::string& text) {
  return static_cast<CellStatus>(place_among(kCellStatusNames, text, "cell status"));
}

std::string to_string(TrainingStatus status) {
  return kTrainingStatusNames.at(static_cast<std::size_t>(status));
}

TrainingStatus parse_training_status(const std::string& text) {
  return static_cast<TrainingStatus>(
      place_among(kTrainingStatusNames, text, "status of a training run"));
}

std::string training_key(const std::string& kind, const std::string& recipe, std::int64_t seed) {
  return sha256_hex(R"({"kind":)" + canonical_json(json::value(kind)) + R"(,"recipe":)" + recipe +
                    R"(,"seed":)" + std::to_string(seed) + "}");
}

std::string training_key(const TrainingRecord& record) {
  return training_key(record.kind, canonical_json(record.recipe), record.seed);
}

}  // namespace lethe::store
