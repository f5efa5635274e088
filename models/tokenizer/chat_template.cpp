// SPDX-License-Identifier: Apache-2.0
#include "models/tokenizer/chat_template.h"

#include "harness/base/error.h"
#include "harness/base/text.h"
#include "models/checkpoint/gguf.h"

namespace lethe::models {
namespace {

std::optional<std::string> gguf_token(const GgufFile& file, const char* key) {
  const auto id = file.find_integer(key);
  if (!id || !file.has("tokenizer.ggml.tokens")) return std::nullopt;
  const auto tokens = file.strings("tokenizer.ggml.tokens");
  if (*id < 0 || static_cast<std::size_t>(*id) >= tokens.size()) {
    throw Error(ErrorKind::kModel, file.path().string() + ": key '" + key + "': expected one of " +
                                       std::to_string(tokens.size()) + " tokens, found " +
                                       std::to_string(*id));
  }
  const std::string_view token = tokens[static_cast<std::size_t>(*id)];
  if (first_invalid_utf8(token)) {
    throw Error(ErrorKind::kModel, file.path().string() + ": key '" + key +
                                       "': expected a token in UTF-8, found token " +
                                       std::to_string(*id) + ", which is not");
  }
  return std::string(token);
}

std::optional<ChatTemplate> from_gguf(const std::filesystem::path& path) {
  const GgufFile file(path);
  const auto source = file.find_string("tokenizer.chat_template");
  if (!source) return std::nullopt;
  return ChatTemplate(*source, path.string() + ": tokenizer.chat_template",
                      gguf_token(file, "tokenizer.ggml.bos_token_id"),
                      gguf_token(file, "tokenizer.ggml.eos_token_id"));
}

/// A token in tokenizer_config.json: a text, or an object with the text as "content".
std::optional<std::string> config_token(const json::object& config, const std::string& where,
                                        const char* name) {
  const json::value* found = config.if_contains(name);
  if (found == nullptr || found->is_null()) return std::nullopt;
  if (found->is_object()) {
    if (const json::value* content = found->as_object().if_contains("content")) found = content;
  }
  if (!found->is_string()) {
    throw Error(ErrorKind::kModel, where + ": '" + name +
                                       "': expected a string or an object with a string "
                                       "\"content\", found " +
                                       std::string(describe_type(*found)));
  }
  return std::string(found->get_string());
}

/// The text of "chat_template", which is a text or a list of {name, template}.
std::optional<std::string> config_template(const json::object& config, const std::string& where) {
  const json::value* found = config.if_contains("chat_template");
  if (found == nullptr || found->is_null()) return std::nullopt;
  if (found->is_string()) return std::string(found->get_string());
  if (!found->is_array()) {
    throw Error(ErrorKind::kModel, where +
                                       ": 'chat_template': expected a string or a list, found " +
                                       std::string(describe_type(*found)));
  }
  std::string names;
  for (const json::value& entry : found->get_array()) {
    ObjectReader reader(entry, where + ": chat_template", ErrorKind::kModel);
    const std::string name = reader.string("name");
    if (name == "default") return reader.string("template");
    names += (names.empty() ? "" : ", ") + name;
  }
  throw Error(ErrorKind::kModel, where +
                                     ": 'chat_template': expected a template named 'default', "
                                     "found these: " +
                                     (names.empty() ? "none" : names));
}

std::optional<ChatTemplate> from_folder(const std::filesystem::path& folder) {
  const auto config_path = folder / "tokenizer_config.json";
  const auto template_path = folder / "chat_template.jinja";
  json::object config;
  if (std::filesystem::exists(config_path)) {
    const json::value value = read_json_file(config_path, ErrorKind::kModel);
    if (!value.is_object()) {
      throw Error(ErrorKind::kModel, config_path.string() + ": expected an object, found " +
                                         std::string(describe_type(value)));
    }
    config = value.get_object();
  }
  const bool in_file = std::filesystem::exists(template_path);
  std::optional<std::string> source;
  if (in_file) {
    source = read_file(template_path, ErrorKind::kModel);
  } else {
    source = config_template(config, config_path.string());
  }
  if (!source) return std::nullopt;
  return ChatTemplate(*source,
                      in_file ? template_path.string() : config_path.string() + ": chat_template",
                      config_token(config, config_path.string(), "bos_token"),
                      config_token(config, config_path.string(), "eos_token"));
}

}  // namespace

ChatTemplate::ChatTemplate(std::string_view source, std::string where,
                           std::optional<std::string> bos_token,
                           std::optional<std::string> eos_token)
    : template_(source, std::move(where)),
      bos_token_(std::move(bos_token)),
      eos_token_(std::move(eos_token)) {}

std::string ChatTemplate::render(const json::value& messages, const ChatOptions& options) const {
  json::object variables;
  variables["messages"] = messages;
  variables["tools"] = options.tools.value_or(nullptr);
  variables["documents"] = nullptr;
  variables["add_generation_prompt"] = options.add_generation_prompt;
  if (bos_token_) variables["bos_token"] = *bos_token_;
  if (eos_token_) variables["eos_token"] = *eos_token_;
  for (const auto& [name, value] : options.variables) variables[name] = value;
  return template_.render(variables, options.now);
}

std::optional<ChatTemplate> open_chat_template(const std::filesystem::path& checkpoint) {
  std::error_code ignored;
  return std::filesystem::is_directory(checkpoint, ignored) ? from_folder(checkpoint)
                                                            : from_gguf(checkpoint);
}

}  // namespace lethe::models
