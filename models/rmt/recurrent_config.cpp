// SPDX-License-Identifier: Apache-2.0
#include "models/rmt/recurrent_config.h"

#include <algorithm>
#include <array>
#include <utility>

#include "harness/base/error.h"
#include "harness/base/names.h"

namespace lethe::models {
namespace {

constexpr const char* kMember = "lethe_rmt";

[[noreturn]] void fail(const std::string& where, const std::string& message) {
  throw Error(ErrorKind::kModel, where + ": " + message);
}

constexpr std::array<std::pair<std::string_view, RecurrentMask>, 2> kMasks = {
    {{"causal", RecurrentMask::kCausal}, {"paper", RecurrentMask::kPaper}}};

constexpr const char* kDecoderKind = "decoder";

// Members of the one form; "kind" tells them apart, its absence an encoder.
void read_encoder(ObjectReader& reader, const std::string& where, RecurrentConfig& config) {
  config.cls_id = reader.integer("cls_id");
  config.sep_id = reader.integer("sep_id");
  for (const json::value& label : reader.array("labels")) {
    if (!label.is_string()) fail(where, "labels: expected names of classes");
    config.labels.emplace_back(label.get_string());
  }
}

}  // namespace

RecurrentMask parse_recurrent_mask(std::string_view text, ErrorKind kind) {
  std::vector<std::string> known;
  for (const auto& [name, mask] : kMasks) {
    if (name == text) return mask;
    known.emplace_back(name);
  }
  throw unknown_name(kind, "mask", std::string(text), known);
}

std::string to_string(RecurrentMask mask) {
  return std::string(std::ranges::find(kMasks, mask, &decltype(kMasks)::value_type::second)->first);
}

json::object to_json(const RecurrentConfig& config) {
  if (config.form == RecurrentForm::kDecoder) {
    return {{"kind", kDecoderKind},
            {"memory_tokens", config.memory_tokens},
            {"segment_tokens", config.segment_tokens},
            {"mask", to_string(config.mask)},
            {"training", config.training}};
  }
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
  if (const std::string kind = reader.string("kind", ""); kind == kDecoderKind) {
    config.form = RecurrentForm::kDecoder;
    config.mask = parse_recurrent_mask(reader.string("mask"), ErrorKind::kModel);
  } else if (kind.empty()) {
    read_encoder(reader, where, config);
  } else {
    fail(where,
         "kind: expected \"decoder\", or no such member for an encoder, found \"" + kind + "\"");
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
