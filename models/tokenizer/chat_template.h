// SPDX-License-Identifier: Apache-2.0
// The chat template of a model: a conversation to the text that the model was trained on.
#pragma once

#include <ctime>
#include <filesystem>
#include <optional>
#include <string>

#include "harness/base/json.h"
#include "models/tokenizer/jinja.h"

namespace lethe::models {

/// What a rendering needs beside the messages; absent ones are undefined in the template, and none
/// for `tools`, as in transformers.
struct ChatOptions {
  bool add_generation_prompt = false;
  std::optional<json::value> tools;
  json::object variables;           ///< further ones; they win over all others
  std::optional<std::tm> now = {};  ///< for strftime_now(); a template that asks fails without
};

/// A chat template with the tokens that its model begins and ends texts with. Thread-safe.
class ChatTemplate {
 public:
  /// `where` names the template in errors. Throws Error(kModel) with line and column for what is
  /// wrong, or beyond the supported language (docs/chat-templates.md).
  ChatTemplate(std::string_view source, std::string where,
               std::optional<std::string> bos_token = {},
               std::optional<std::string> eos_token = {});

  /// `messages` is a list of objects, most with "role" and "content". Throws Error(kModel) with
  /// line and column, also when the template refuses the conversation (raise_exception).
  std::string render(const json::value& messages, const ChatOptions& options = {}) const;

 private:
  jinja::Template template_;
  std::optional<std::string> bos_token_;
  std::optional<std::string> eos_token_;
};

/// The template of a checkpoint, or nothing when it has none. GGUF: `tokenizer.chat_template`.
/// Hugging Face folder: chat_template.jinja, else "chat_template" of tokenizer_config.json (a
/// text, or a list of which "default" is taken). Throws Error(kModel) when something there is
/// damaged or not supported.
std::optional<ChatTemplate> open_chat_template(const std::filesystem::path& checkpoint);

}  // namespace lethe::models
