// SPDX-License-Identifier: Apache-2.0
#include "tests/training/training_support.h"

#include "tests/models/file_support.h"
#include "tests/support/fixtures.h"

namespace lethe::test {

json::object small_recipe_json() {
  return parse_json(R"({
    "name": "small", "task": "detect",
    "model": {"layers": 1, "hidden": 16, "heads": 2, "intermediate": 24, "positions": 32,
              "relative_clip": 4, "memory": 2, "segment": 16},
    "warmup": 4,
    "stages": [
      {"name": "one", "steps": 12, "rate": 0.002,
       "batches": [{"segment": 12, "batch": 10, "segments": 1, "confusers": 0.03}]},
      {"name": "three", "steps": 12, "rate": 0.001, "rate_end": 0.0002,
       "batches": [{"share": 0.5, "segment": 16, "batch": 7, "segments": 3, "confusers": 0.02},
                   {"share": 0.5, "segment": 12, "batch": 8, "segments": 2}]}]})",
                    "small recipe", ErrorKind::kConfig)
      .as_object();
}

training::RmtRecipe parsed_recipe(const json::object& text) {
  return training::parse_rmt_recipe(text, "recipe.json", source_dir());
}

training::RmtRecipe small_recipe() {
  return parsed_recipe(small_recipe_json());
}

training::RmtTrainOptions options_for(const std::filesystem::path& out) {
  training::RmtTrainOptions options;
  options.out = out;
  options.vocabulary = source_dir() / "data/rmt";
  options.state_seconds = 1e9;  // only where it stops
  return options;
}

std::string left_in(const std::filesystem::path& folder) {
  std::string all;
  for (const char* name : {"model.safetensors", "tokenizer.json", "config.json"}) {
    all += bytes_of(folder / name);
  }
  auto provenance = read_json_file(folder / "provenance.json", ErrorKind::kData).as_object();
  provenance.erase("seconds");
  return all + json::serialize(provenance);
}

}  // namespace lethe::test
