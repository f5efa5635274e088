// SPDX-License-Identifier: Apache-2.0
#include "models/checkpoint/hf_config.h"

#include <algorithm>
#include <array>

#include "harness/base/text.h"
#include "models/checkpoint/hf_config_reader.h"

namespace lethe::models {
namespace {

struct Family {
  std::string_view model_type;
  void (*read)(detail::ConfigReader& reader, ModelConfig& config);
};

constexpr std::array<Family, 10> kFamilies = {{
    {"llama", detail::read_llama},
    {"mistral", detail::read_mistral},
    {"qwen2", detail::read_qwen2},
    {"qwen3", detail::read_qwen3},
    {"phi3", detail::read_phi3},
    {"gemma2", detail::read_gemma2},
    {"gpt2", detail::read_gpt2},
    {"gpt_neox", detail::read_gpt_neox},
    {"opt", detail::read_opt},
    {"bert", detail::read_bert},
}};

const Family& family_of(detail::ConfigReader& reader, std::string_view model_type) {
  const auto found = std::ranges::find(kFamilies, model_type, &Family::model_type);
  if (found != kFamilies.end()) return *found;
  std::string known;
  for (const Family& family : kFamilies) {
    known += (known.empty() ? "\"" : ", \"") + std::string(family.model_type) + "\"";
  }
  reader.fail("model_type", "expected a model type that is known (" + known + "), found \"" +
                                std::string(model_type) + "\"");
}

}  // namespace

ModelConfig parse_hf_config(std::string_view text, std::string_view where) {
  const json::value parsed = parse_json(text, where, ErrorKind::kModel);
  detail::ConfigReader reader(parsed, std::string(where));
  ModelConfig config;
  config.architecture = reader.text("model_type");
  const Family& family = family_of(reader, config.architecture);
  if (reader.present("quantization_config")) {
    reader.fail("quantization_config",
                "expected plain weights, found a quantised checkpoint; use the original or a GGUF "
                "file");
  }
  family.read(reader, config);
  check_model_config(config, where);
  return config;
}

ModelConfig read_hf_config(const std::filesystem::path& path) {
  return parse_hf_config(read_file(path, ErrorKind::kModel), path.string());
}

}  // namespace lethe::models
