// SPDX-License-Identifier: Apache-2.0
#include "harness/cli/training_files.h"

#include <algorithm>
#include <vector>

#include "harness/base/clock.h"
#include "harness/base/error.h"
#include "harness/base/machine.h"
#include "harness/base/names.h"
#include "harness/base/text.h"
#include "harness/base/version.h"
#include "harness/store/provenance.h"
#include "models/engine/evaluate.h"

namespace lethe::cli {

namespace fs = std::filesystem;

fs::path recipe_path(const std::string& given, const fs::path& folder) {
  if (fs::is_regular_file(folder / (given + ".json"))) return folder / (given + ".json");
  if (fs::is_regular_file(given)) return given;
  std::vector<std::string> known;
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(folder, ec)) {
    known.push_back(entry.path().stem().string());
  }
  std::ranges::sort(known);
  throw unknown_name(ErrorKind::kConfig, "recipe (or file)", given, known);
}

json::object training_provenance(int threads) {
  return {{"version", version().version},
          {"commit", version().git_commit},
          {"torch", models::torch_version()},
          {"cpu", cpu_name()},
          {"threads", threads},
          {"trained_at", utc_text(system_clock().unix_ms())}};
}

store::ProvenanceRecord training_provenance_record(const std::string& device, int threads) {
  store::ProvenanceRecord record;
  store::name_program(record);
  record.torch_version = models::torch_version();
  record.cpu = cpu_name();
  record.device = device;
  record.threads = threads;
  return record;
}

}  // namespace lethe::cli
