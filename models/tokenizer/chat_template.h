// SPDX-License-Identifier: Apache-2.0
// The chat template of a model: a conversation to the text that the model was trained on.
#pragma once

#include <ctime>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "harness/base/json.h"
#include "models/tokenizer/chat_settings.h"
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

/// A chat template with the special tokens of its model. Thread-safe.
class ChatTemplate {
 public:
  /// `where` names the template in errors; `special_tokens` are texts by role ("bos_token"). Throws
  /// Error(kModel) with line and column for what is wrong, or beyond the supported language
  /// (docs/chat-templates.md).
  ChatTemplate(std::string_view source, std::string where,
               std::map<std::string, std::string> special_tokens = {});

  /// `messages` is a list of objects, most with "role" and "content". Throws Error(kModel) with
  /// line and column, also when the template refuses the conversation (raise_exception).
  std::string render(const json::value& messages, const ChatOptions& options = {}) const;
  /// Of the source and the special tokens it is rendered with: two of one hash render alike.
  const std::string& sha256() const { return sha256_; }

 private:
  jinja::Template template_;
  std::map<std::string, std::string> special_tokens_;
  std::string sha256_;
};

/// The template of a checkpoint (see read_chat_settings()): for conversations with tools the one
/// named "tool_use", if there is one, else "default", as in transformers; nothing when it has no
/// template at all. Throws Error(kModel) when something there is damaged or not supported.
std::optional<ChatTemplate> open_chat_template(const std::filesystem::path& checkpoint,
                                               bool with_tools = false);

}  // namespace lethe::models
