// SPDX-License-Identifier: Apache-2.0
#include "models/tokenizer/chat_settings.h"

#include <utility>

#include "harness/base/error.h"
#include "harness/base/text.h"
#include "models/checkpoint/gguf.h"
#include "models/tokenizer/hf_tokenizer_config.h"

namespace lethe::models {
namespace {

/// The roles of special tokens, as templates name them.
constexpr std::pair<const char*, const char*> kRoles[] = {
    {"bos_token", "tokenizer.ggml.bos_token_id"},
    {"eos_token", "tokenizer.ggml.eos_token_id"},
    {"unk_token", "tokenizer.ggml.unknown_token_id"},
    {"pad_token", "tokenizer.ggml.padding_token_id"},
    {"sep_token", "tokenizer.ggml.seperator_token_id"},  // the format's own spelling
    {"cls_token", "tokenizer.ggml.cls_token_id"},
    {"mask_token", "tokenizer.ggml.mask_token_id"},
};

std::string token_text(const GgufFile& file, const char* key, std::int64_t id,
                       const std::vector<std::string_view>& tokens) {
  const auto fail = [&](const std::string& expected, const std::string& found) {
    throw Error(ErrorKind::kModel, file.path().string() + ": key '" + key + "': expected " +
                                       expected + ", found " + found);
  };
  if (id < 0 || static_cast<std::size_t>(id) >= tokens.size()) {
    fail("one of " + std::to_string(tokens.size()) + " tokens", std::to_string(id));
  }
  const std::string_view token = tokens[static_cast<std::size_t>(id)];
  if (first_invalid_utf8(token)) {
    fail("a token in UTF-8", "token " + std::to_string(id) + ", which is not");
  }
  return std::string(token);
}

ChatSettings from_gguf(const std::filesystem::path& path) {
  constexpr const char* kTemplate = "tokenizer.chat_template";
  constexpr const char* kNames = "tokenizer.chat_templates";
  const GgufFile file(path);
  ChatSettings chat;
  const auto add = [&](std::string_view name, const std::string& key, std::string text) {
    chat.templates.emplace(name, ChatSource{std::move(text), path.string() + ": " + key});
  };
  if (auto text = file.find_string(kTemplate)) add("default", kTemplate, std::move(*text));
  if (file.has(kNames)) {
    for (const auto name : file.strings(kNames)) {
      const std::string key = std::string(kTemplate) + "." + std::string(name);
      add(name, key, file.string(key));
    }
  }
  if (chat.templates.empty() || !file.has("tokenizer.ggml.tokens")) return chat;
  const auto tokens = file.strings("tokenizer.ggml.tokens");
  for (const auto& [role, key] : kRoles) {
    if (const auto id = file.find_integer(key)) {
      chat.special_tokens.emplace(role, token_text(file, key, *id, tokens));
    }
  }
  return chat;
}

}  // namespace

ChatSettings read_chat_settings(const std::filesystem::path& checkpoint) {
  std::error_code ignored;
  return std::filesystem::is_directory(checkpoint, ignored)
             ? read_hf_tokenizer_config(checkpoint).chat
             : from_gguf(checkpoint);
}

}  // namespace lethe::models
