// SPDX-License-Identifier: Apache-2.0
#include "models/checkpoint/generation_defaults.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "harness/base/error.h"
#include "harness/base/json.h"
#include "harness/base/text.h"
#include "models/checkpoint/gguf.h"
#include "models/checkpoint/hf_config_reader.h"

namespace lethe::models {
namespace {

using detail::ConfigReader;

void sort_ids(std::vector<std::int64_t>& ids) {
  std::ranges::sort(ids);
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
}

// Older files write -1 for "there is none".
std::optional<std::int64_t> token_id(ConfigReader& reader, std::string_view name,
                                     std::optional<std::int64_t> fallback) {
  const auto id = reader.find_integer(name);
  return id && *id >= 0 ? id : fallback;
}

// One id or a list of them.
void read_ends(ConfigReader& reader, std::vector<std::int64_t>& ids) {
  constexpr std::string_view kName = "eos_token_id";
  if (!reader.present(kName)) return;
  const json::value& value = reader.at(kName);
  std::vector<std::int64_t> found;
  if (!value.is_array()) {
    found.push_back(reader.integer(kName));
  } else {
    for (const json::value& item : value.get_array()) {
      if (!item.is_int64()) {
        reader.fail(kName, "expected integers, found " + std::string(describe_type(item)));
      }
      found.push_back(item.get_int64());
    }
  }
  std::erase_if(found, [](std::int64_t id) { return id < 0; });
  sort_ids(found);
  ids = std::move(found);
}

void expect(ConfigReader& reader, std::string_view name, bool condition,
            const std::string& expected, double found) {
  if (!condition) reader.fail(name, "expected " + expected + ", found " + std::to_string(found));
}

}  // namespace

void parse_generation_defaults(std::string_view text, std::string_view where,
                               GenerationDefaults& defaults) {
  const json::value parsed = parse_json(text, where, ErrorKind::kModel);
  ConfigReader reader(parsed, std::string(where));
  read_ends(reader, defaults.eos_token_ids);
  defaults.bos_token_id = token_id(reader, "bos_token_id", defaults.bos_token_id);
  defaults.pad_token_id = token_id(reader, "pad_token_id", defaults.pad_token_id);
  defaults.do_sample = reader.boolean_or("do_sample", defaults.do_sample);
  const auto number = [&](std::string_view name, double& value, double low, double high,
                          const std::string& expected) {
    value = reader.number_or(name, value);
    expect(reader, name, std::isfinite(value) && value >= low && value <= high, expected, value);
  };
  constexpr double kAny = 1e30;
  number("temperature", defaults.temperature, 0, kAny, "a number from 0 on");
  number("top_p", defaults.top_p, 0, 1, "a number from 0 to 1");
  number("min_p", defaults.min_p, 0, 1, "a number from 0 to 1");
  number("repetition_penalty", defaults.repetition_penalty, 1e-30, kAny, "a positive number");
  // 0 and -1 both stand for "all" in published files.
  defaults.top_k = std::max<std::int64_t>(0, reader.integer_or("top_k", defaults.top_k));
  if (const auto most = reader.find_integer("max_new_tokens")) {
    expect(reader, "max_new_tokens", *most > 0, "a positive integer", static_cast<double>(*most));
    defaults.max_new_tokens = most;
  }
}

GenerationDefaults read_generation_defaults(const std::filesystem::path& folder) {
  GenerationDefaults defaults;
  for (const char* name : {"config.json", "generation_config.json"}) {
    const auto path = folder / name;
    if (!std::filesystem::is_regular_file(path)) continue;
    parse_generation_defaults(read_file(path, ErrorKind::kModel), path.string(), defaults);
  }
  return defaults;
}

GenerationDefaults generation_defaults_of(const GgufFile& file) {
  const auto id_of = [&](std::string_view key) {
    constexpr std::int64_t kNone = 0xffffffff;  // llama.cpp's -1, written without a sign
    const auto id = file.find_integer(key);
    return id && *id >= 0 && *id != kNone ? id : std::nullopt;
  };
  GenerationDefaults defaults;
  for (const char* key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
                          "tokenizer.ggml.eom_token_id"}) {
    if (const auto id = id_of(key)) defaults.eos_token_ids.push_back(*id);
  }
  sort_ids(defaults.eos_token_ids);
  defaults.bos_token_id = id_of("tokenizer.ggml.bos_token_id");
  defaults.pad_token_id = id_of("tokenizer.ggml.padding_token_id");
  return defaults;
}

}  // namespace lethe::models
