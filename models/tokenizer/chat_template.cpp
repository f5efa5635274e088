// SPDX-License-Identifier: Apache-2.0
#include "models/tokenizer/chat_template.h"

#include "harness/base/error.h"
#include "harness/base/hash.h"
#include "harness/base/names.h"

namespace lethe::models {

ChatTemplate::ChatTemplate(std::string_view source, std::string where,
                           std::map<std::string, std::string> special_tokens)
    : template_(source, std::move(where)), special_tokens_(std::move(special_tokens)) {
  json::object content{{"source", source}};
  for (const auto& [role, text] : special_tokens_) content[role] = text;
  sha256_ = sha256_hex(canonical_json(content));
}

std::string ChatTemplate::render(const json::value& messages, const ChatOptions& options) const {
  json::object variables;
  variables["messages"] = messages;
  variables["tools"] = options.tools.value_or(nullptr);
  variables["documents"] = nullptr;
  variables["add_generation_prompt"] = options.add_generation_prompt;
  for (const auto& [role, text] : special_tokens_) variables[role] = text;
  for (const auto& [name, value] : options.variables) variables[name] = value;
  return template_.render(variables, options.now);
}

std::optional<ChatTemplate> open_chat_template(const std::filesystem::path& checkpoint,
                                               bool with_tools) {
  ChatSettings settings = read_chat_settings(checkpoint);
  if (settings.templates.empty()) return std::nullopt;
  const char* wanted =
      with_tools && settings.templates.contains("tool_use") ? "tool_use" : "default";
  const auto chosen = settings.templates.find(wanted);
  if (chosen == settings.templates.end()) {
    std::vector<std::string> names;
    for (const auto& [name, source] : settings.templates) names.push_back(name);
    throw Error(ErrorKind::kModel,
                settings.templates.begin()->second.where +
                    ": expected a template named 'default', found these: " + join(names, ", "));
  }
  return ChatTemplate(chosen->second.text, chosen->second.where,
                      std::move(settings.special_tokens));
}

}  // namespace lethe::models
