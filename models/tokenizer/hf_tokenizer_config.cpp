// SPDX-License-Identifier: Apache-2.0
#include "models/tokenizer/hf_tokenizer_config.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "harness/base/json.h"
#include "harness/base/text.h"
#include "models/checkpoint/generation_defaults.h"

namespace lethe::models {
namespace {

constexpr std::string_view kRoles[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                       "pad_token", "cls_token", "mask_token"};

/// "text", or {"content": "text", …} as transformers writes an added token; null is no token.
void read_special_token(ObjectReader& reader, std::string_view role, HfTokenizerConfig& config) {
  const json::value* value = reader.find(role);
  if (value == nullptr) return;
  const std::string name(role);
  config.role_places[name] = reader.where(role);
  if (value->is_null()) {
    config.chat.special_tokens.erase(name);
    return;
  }
  config.chat.special_tokens[name] =
      value->is_object()
          ? ObjectReader(*value, reader.where(role), ErrorKind::kModel).string("content")
          : reader.string(role);
}

/// One template, or a list of {"name": …, "template": …}; null is none.
void read_templates(ObjectReader& reader, HfTokenizerConfig& config) {
  constexpr const char* kMember = "chat_template";
  const json::value* value = reader.find(kMember);
  if (value == nullptr) return;
  config.chat.templates.clear();
  if (value->is_null()) return;
  if (!value->is_array() && !value->is_string()) {
    throw Error(ErrorKind::kModel, reader.where(kMember) + ": expected a string or a list, found " +
                                       std::string(describe_type(*value)));
  }
  if (value->is_string()) {
    config.chat.templates.try_emplace("default",
                                      ChatSource{reader.string(kMember), reader.where(kMember)});
    return;
  }
  const json::array& items = value->get_array();
  for (std::size_t i = 0; i < items.size(); ++i) {
    const std::string where = reader.where(kMember) + "[" + std::to_string(i) + "]";
    ObjectReader item(items[i], where, ErrorKind::kModel);
    config.chat.templates.try_emplace(item.string("name"),
                                      ChatSource{item.string("template"), where});
  }
}

/// {"32000": {…}}: only which ids there are.
void read_added_ids(ObjectReader& reader, HfTokenizerConfig& config) {
  const json::value* value = reader.find("added_tokens_decoder");
  config.lists_added_tokens = config.lists_added_tokens || value != nullptr;
  if (value == nullptr || !value->is_object()) return;
  for (const auto& member : value->get_object()) {
    const std::string_view id = member.key();
    std::int64_t number = -1;
    const auto read = std::from_chars(id.data(), id.data() + id.size(), number);
    if (read.ec != std::errc{} || read.ptr != id.data() + id.size()) {
      throw Error(ErrorKind::kModel, reader.where("added_tokens_decoder") +
                                         ": expected ids as names, found '" + std::string(id) +
                                         "'");
    }
    config.largest_added_id = std::max(config.largest_added_id, number);
  }
}

/// added_tokens.json: {"token": id}.
void parse_added_tokens(std::string_view text, const std::string& where,
                        HfTokenizerConfig& config) {
  const json::value value = parse_json(text, where, ErrorKind::kModel);
  ObjectReader reader(value, where, ErrorKind::kModel);
  for (const auto& member : value.as_object()) {
    config.largest_added_id = std::max(config.largest_added_id, reader.integer(member.key()));
  }
}

void read_flag(ObjectReader& reader, std::string_view name, std::optional<bool>& flag) {
  const json::value* value = reader.find(name);
  if (value == nullptr) return;
  flag = value->is_null() ? std::nullopt : std::optional(reader.boolean(name, false));
}

}  // namespace

bool HfTokenizerConfig::surrounds_by_flags() const {
  constexpr std::string_view kFamilies[] = {"LlamaTokenizer", "CodeLlamaTokenizer",
                                            "GemmaTokenizer", "CohereTokenizer"};
  return std::ranges::any_of(kFamilies, [&](std::string_view family) {
    return tokenizer_class == family || tokenizer_class == std::string(family) + "Fast";
  });
}

std::optional<std::string> HfTokenizerConfig::special_token(const std::string& role) const {
  const auto found = chat.special_tokens.find(role);
  if (found == chat.special_tokens.end()) return {};
  return found->second;
}

void parse_hf_tokenizer_config(std::string_view text, std::string_view where,
                               HfTokenizerConfig& config) {
  const json::value value = parse_json(text, where, ErrorKind::kModel);
  ObjectReader reader(value, std::string(where), ErrorKind::kModel);
  for (const auto role : kRoles) read_special_token(reader, role, config);
  read_templates(reader, config);
  read_added_ids(reader, config);
  read_flag(reader, "add_bos_token", config.adds_bos);
  read_flag(reader, "add_eos_token", config.adds_eos);
  const json::value* name = reader.find("tokenizer_class");
  if (name != nullptr && !name->is_null()) {
    config.tokenizer_class = reader.string("tokenizer_class");
  }
}

HfTokenizerConfig read_hf_tokenizer_config(const std::filesystem::path& folder) {
  HfTokenizerConfig config;
  config.where = (folder / "tokenizer_config.json").string();
  const auto parse = [&](const std::filesystem::path& file) {
    if (!std::filesystem::exists(file)) return;
    parse_hf_tokenizer_config(read_file(file, ErrorKind::kModel), file.string(), config);
  };
  parse(config.where);
  // A file of its own stands for all templates of the member.
  if (const auto file = folder / "chat_template.jinja"; std::filesystem::exists(file)) {
    config.chat.templates = {{"default", {read_file(file, ErrorKind::kModel), file.string()}}};
  }
  if (!config.lists_added_tokens) parse(folder / "special_tokens_map.json");
  if (const auto file = folder / "added_tokens.json"; std::filesystem::exists(file)) {
    parse_added_tokens(read_file(file, ErrorKind::kModel), file.string(), config);
  }
  if (std::filesystem::exists(folder / "config.json")) {
    config.eos_ids = read_generation_defaults(folder).eos_token_ids;
  }
  return config;
}

BoundaryIds boundary_ids(
    const HfTokenizerConfig& config,
    const std::function<std::optional<std::int64_t>(std::string_view)>& id_of) {
  const auto id_of_role = [&](const std::string& role) -> std::optional<std::int64_t> {
    const auto text = config.special_token(role);
    if (!text || text->empty()) return {};
    const auto id = id_of(*text);
    if (!id) {
      const auto place = config.role_places.find(role);
      throw Error(ErrorKind::kModel,
                  (place == config.role_places.end() ? config.where + ": " + role : place->second) +
                      ": expected a token of the vocabulary, found '" + *text + "'");
    }
    return id;
  };
  BoundaryIds ids;
  ids.bos = id_of_role("bos_token");
  ids.eos = id_of_role("eos_token");
  std::set<std::int64_t> all(config.eos_ids.begin(), config.eos_ids.end());
  if (ids.eos) all.insert(*ids.eos);
  ids.all_eos.assign(all.begin(), all.end());
  return ids;
}

}  // namespace lethe::models
