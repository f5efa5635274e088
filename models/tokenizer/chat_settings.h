// SPDX-License-Identifier: Apache-2.0
// What a checkpoint says about conversations.
#pragma once

#include <filesystem>
#include <map>
#include <string>

namespace lethe::models {

/// A template in the words of its author.
struct ChatSource {
  std::string text;
  std::string where;  ///< file and member, for errors
};

struct ChatSettings {
  /// Jinja sources by name; one without a name is "default".
  std::map<std::string, ChatSource> templates;
  /// Texts of special tokens by their role ("bos_token"), as templates refer to them.
  std::map<std::string, std::string> special_tokens;
};

/// GGUF: `tokenizer.chat_template` and its further named ones, special tokens by their ids. Hugging
/// Face folder: chat_template.jinja goes before "chat_template" of tokenizer_config.json (a text,
/// or a list with names); special tokens as read_hf_tokenizer_config() finds them. Throws
/// Error(kModel) for what is damaged, and for a path that is neither.
ChatSettings read_chat_settings(const std::filesystem::path& checkpoint);

}  // namespace lethe::models
