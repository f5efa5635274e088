// SPDX-License-Identifier: Apache-2.0
// How the authors of a checkpoint want text to be generated with it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

namespace lethe::models {

class GgufFile;

/// What generation_config.json or GGUF metadata say; the defaults are those of transformers.
struct GenerationDefaults {
  std::vector<std::int64_t> eos_token_ids;  ///< each of them ends a text; ascending
  std::optional<std::int64_t> bos_token_id;
  std::optional<std::int64_t> pad_token_id;
  bool do_sample = false;  ///< false: greedy, and the rest of the numbers are idle
  double temperature = 1.0;
  std::int64_t top_k = 50;  ///< 0: all tokens
  double top_p = 1.0;
  double min_p = 0.0;
  double repetition_penalty = 1.0;
  std::optional<std::int64_t> max_new_tokens;

  bool operator==(const GenerationDefaults&) const = default;
};

/// From a Hugging Face folder: generation_config.json, and config.json for the token ids it does
/// not name. Throws Error(kModel) for a value that cannot be.
GenerationDefaults read_generation_defaults(const std::filesystem::path& folder);

/// Adds what the text of a generation_config.json or config.json says to `defaults`; `where` names
/// it in errors.
void parse_generation_defaults(std::string_view text, std::string_view where,
                               GenerationDefaults& defaults);

/// The token ids in the tokenizer's metadata of a GGUF file: end of text, of turn, of message.
GenerationDefaults generation_defaults_of(const GgufFile& file);

}  // namespace lethe::models
