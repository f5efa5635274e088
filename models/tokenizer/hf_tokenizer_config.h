// SPDX-License-Identifier: Apache-2.0
// What a Hugging Face folder says about its tokenizer beside the vocabulary.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/tokenizer/chat_settings.h"

namespace lethe::models {

/// tokenizer_config.json, special_tokens_map.json, added_tokens.json, chat_template.jinja and the
/// end-of-text ids of generation_config.json. All of these files may be absent.
struct HfTokenizerConfig {
  std::string where = "tokenizer_config.json";  ///< for errors
  std::string tokenizer_class;                  ///< "LlamaTokenizerFast"; empty when not said
  std::optional<bool> adds_bos;
  std::optional<bool> adds_eos;
  ChatSettings chat;                               ///< with the texts of bos_token, eos_token, …
  std::map<std::string, std::string> role_places;  ///< file and member of these, for errors
  std::vector<std::int64_t> eos_ids;               ///< of generation_config.json or config.json
  bool lists_added_tokens = false;                 ///< whether there is an added_tokens_decoder
  std::int64_t largest_added_id = -1;              ///< in added_tokens_decoder or added_tokens.json

  /// Whether the class forms what stands around a text from adds_bos and adds_eos, as transformers'
  /// classes for Llama, CodeLlama, Gemma and Cohere do, whatever the post-processor says.
  bool surrounds_by_flags() const;
  /// Text of the special token of this role ("bos_token"), if it is named.
  std::optional<std::string> special_token(const std::string& role) const;
};

/// As transformers 5.2 reads them (PreTrainedTokenizerBase._from_pretrained): where
/// tokenizer_config.json has a member added_tokens_decoder, special_tokens_map.json is ignored;
/// where it has none, what the map names (null too) goes before the member of
/// tokenizer_config.json. chat_template.jinja replaces every template of tokenizer_config.json.
/// Throws Error(kModel) that names the file for one that cannot be read or has members of wrong
/// types.
HfTokenizerConfig read_hf_tokenizer_config(const std::filesystem::path& folder);

/// Takes over what the text of a tokenizer_config.json or special_tokens_map.json says; it goes
/// before what is known already.
void parse_hf_tokenizer_config(std::string_view text, std::string_view where,
                               HfTokenizerConfig& config);

/// Ids of the tokens that begin and end a text.
struct BoundaryIds {
  std::optional<std::int64_t> bos;
  std::optional<std::int64_t> eos;
  std::vector<std::int64_t> all_eos;  ///< ascending
};

/// `id_of` gives the id of a token's text, if it is one. Throws Error(kModel) for a special token
/// that is not in the vocabulary.
BoundaryIds boundary_ids(const HfTokenizerConfig& config,
                         const std::function<std::optional<std::int64_t>(std::string_view)>& id_of);

}  // namespace lethe::models
