// SPDX-License-Identifier: Apache-2.0
#include "harness/cli/shipped_trainings.h"

#include <algorithm>
#include <set>
#include <string>

#include "harness/base/error.h"
#include "harness/base/spec.h"
#include "harness/cli/root.h"
#include "harness/cli/training_recorder.h"
#include "policies/namm/parameters.h"

namespace lethe::cli {

namespace {

namespace fs = std::filesystem;

std::set<std::string> weights_of(const grid::Suite& suite) {
  std::set<std::string> names;
  for (const std::string& policy : suite.policies) {
    const Spec spec = Spec::parse(policy, ErrorKind::kPolicy);
    if (spec.name != "namm") continue;
    if (const auto* weights = spec.find("weights")) names.insert(*weights);
  }
  for (const grid::Suite& part : suite.parts) names.merge(weights_of(part));
  return names;
}

}  // namespace

void store_namm_training(const policies::NammParameters& parameters, const fs::path& database) {
  const json::value holder(parameters.provenance);
  ObjectReader told(holder, "provenance", ErrorKind::kData);
  if (!told.has("history")) return;
  const json::object& recipe = told.at("recipe").as_object();
  TrainingRecorder recorder(database,
                            {.kind = "namm",
                             .name = "namm-" + std::string(recipe.at("name").as_string()),
                             .recipe = {{"recipe", recipe}, {"inputs", told.at("inputs")}},
                             .seed = told.integer("seed")},
                            "shipped parameters");
  const auto found = recorder.find();
  if (found && found->status == store::TrainingStatus::kDone) return;
  store::ProvenanceRecord record;
  record.version = told.string("version");
  record.git_commit = told.string("commit");
  record.torch_version = told.string("torch");
  record.cpu = told.string("cpu");
  record.device = "cpu";
  record.threads = static_cast<int>(told.integer("threads"));
  recorder.begin(record);
  for (const json::value& value : told.array("history")) {
    ObjectReader entry(value, "history", ErrorKind::kData);
    const std::int64_t generation = entry.integer("generation");
    const std::string stage = entry.string("stage");
    for (const auto& member : value.get_object()) {
      if (!member.value().is_number() || member.key() == "generation") continue;
      recorder.point(
          {generation, stage, std::string(member.key()), member.value().to_number<double>()});
    }
  }
  recorder.done(policies::namm_content_sha256(parameters));
}

void store_shipped_trainings(const grid::Suite& suite, const fs::path& database) {
  for (const std::string& name : weights_of(suite)) {
    const fs::path shipped = root_folder() / "data" / "checkpoints" / name / "namm.json";
    if (!fs::is_regular_file(shipped)) continue;  // a file of the user's
    store_namm_training(policies::read_namm_file(shipped), database);
  }
}

}  // namespace lethe::cli
