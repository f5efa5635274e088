// SPDX-License-Identifier: Apache-2.0
#include "models/rmt/recurrent_config.h"

#include "harness/base/error.h"

namespace lethe::models {
namespace {

constexpr const char* kMember = "lethe_rmt";

[[noreturn]] void fail(const std::string& where, const std::string& message) {
  throw Error(ErrorKind::kModel, where + ": " + message);
}

}  // namespace

json::object to_json(const RecurrentConfig& config) {
  return {{"memory_tokens", config.memory_tokens},
          {"segment_tokens", config.segment_tokens},
          {"cls_id", config.cls_id},
          {"sep_id", config.sep_id},
          {"labels", json::array(config.labels.begin(), config.labels.end())},
          {"training", config.training}};
}

std::optional<RecurrentConfig> read_recurrent_config(const std::filesystem::path& checkpoint) {
  const auto file = checkpoint / "config.json";
  if (!std::filesystem::is_regular_file(file)) return std::nullopt;
  const json::value value = read_json_file(file, ErrorKind::kModel);
  if (!value.is_object() || !value.get_object().contains(kMember)) return std::nullopt;
  const std::string where = file.string() + ": " + kMember;
  ObjectReader reader(value.get_object().at(kMember), where, ErrorKind::kModel);
  RecurrentConfig config;
  config.memory_tokens = reader.integer("memory_tokens");
  config.segment_tokens = reader.integer("segment_tokens");
  config.cls_id = reader.integer("cls_id");
  config.sep_id = reader.integer("sep_id");
  for (const json::value& label : reader.array("labels")) {
    if (!label.is_string()) fail(where, "labels: expected names of classes");
    config.labels.emplace_back(label.get_string());
  }
  const json::value& training = reader.at("training");
  if (!training.is_object()) fail(where, "training: expected an object");
  config.training = training.get_object();
  reader.finish();
  if (config.memory_tokens < 0 || config.memory_tokens > 4096) {
    fail(where, "memory_tokens: expected 0 to 4096, found " + std::to_string(config.memory_tokens));
  }
  if (config.segment_tokens < 1) {
    fail(where,
         "segment_tokens: expected at least 1, found " + std::to_string(config.segment_tokens));
  }
  return config;
}

}  // namespace lethe::models
