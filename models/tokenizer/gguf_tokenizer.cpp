// SPDX-License-Identifier: Apache-2.0
#include "models/tokenizer/gguf_tokenizer.h"

#include "harness/base/error.h"
#include "models/checkpoint/generation_defaults.h"
#include "models/checkpoint/gguf.h"
#include "models/tokenizer/bpe_tokenizer.h"
#include "models/tokenizer/pre_tokenizer.h"
#include "models/tokenizer/spm_tokenizer.h"

namespace lethe::models {
namespace {

std::vector<TokenKind> kinds_of(const GgufFile& file, std::size_t n_tokens) {
  constexpr const char* kKey = "tokenizer.ggml.token_type";
  if (!file.has(kKey)) return std::vector<TokenKind>(n_tokens, TokenKind::kNormal);
  std::vector<TokenKind> kinds;
  for (const std::int64_t kind : file.integers(kKey)) {
    if (kind < static_cast<int>(TokenKind::kNormal) || kind > static_cast<int>(TokenKind::kByte)) {
      throw Error(ErrorKind::kModel, file.path().string() + ": key '" + kKey +
                                         "': expected types 1 to 6, found " + std::to_string(kind) +
                                         " for token " + std::to_string(kinds.size()));
    }
    kinds.push_back(static_cast<TokenKind>(kind));
  }
  return kinds;
}

/// Every id that ends a text or a turn; EOS itself is checked where the tokenizer is built.
std::vector<std::int64_t> eos_ids_of(const GgufFile& file, std::size_t n_tokens) {
  std::vector<std::int64_t> ids = generation_defaults_of(file).eos_token_ids;
  std::erase_if(
      ids, [&](std::int64_t id) { return id < 0 || id >= static_cast<std::int64_t>(n_tokens); });
  return ids;
}

std::unique_ptr<Tokenizer> open_byte_level(const GgufFile& file, const std::string& where) {
  BpeDescription description;
  description.tokens = file.strings("tokenizer.ggml.tokens");
  description.kinds = kinds_of(file, description.tokens.size());
  description.merges = file.strings("tokenizer.ggml.merges");
  description.pre_tokenizer = file.string("tokenizer.ggml.pre");
  description.bos_id = file.find_integer("tokenizer.ggml.bos_token_id");
  description.eos_id = file.find_integer("tokenizer.ggml.eos_token_id");
  description.eos_ids = eos_ids_of(file, description.tokens.size());
  description.adds_bos = file.find_boolean("tokenizer.ggml.add_bos_token")
                             .value_or(is_llama3(description.pre_tokenizer));
  return make_bpe_tokenizer(description, where);
}

std::unique_ptr<Tokenizer> open_pieces(const GgufFile& file, const std::string& where) {
  const auto pieces = file.strings("tokenizer.ggml.tokens");
  SpmDescription description;
  description.table.texts.assign(pieces.begin(), pieces.end());
  description.table.kinds = kinds_of(file, pieces.size());
  description.scores = file.floats("tokenizer.ggml.scores");
  description.adds_space = file.find_boolean("tokenizer.ggml.add_space_prefix").value_or(true);
  auto& facts = description.facts;
  facts.bos_id = file.find_integer("tokenizer.ggml.bos_token_id");
  facts.eos_id = file.find_integer("tokenizer.ggml.eos_token_id");
  facts.eos_ids = eos_ids_of(file, pieces.size());
  facts.adds_bos = file.find_boolean("tokenizer.ggml.add_bos_token").value_or(true);
  facts.adds_eos = file.find_boolean("tokenizer.ggml.add_eos_token").value_or(false);
  return make_spm_tokenizer(std::move(description), where);
}

}  // namespace

std::unique_ptr<Tokenizer> open_gguf_tokenizer(const std::filesystem::path& path) {
  const GgufFile file(path);
  const std::string where = path.string();
  const std::string model = file.find_string("tokenizer.ggml.model").value_or("no_vocab");
  if (model == "gpt2") return open_byte_level(file, where);
  if (model == "llama") return open_pieces(file, where);
  if (model == "no_vocab") {
    throw Error(ErrorKind::kModel,
                where +
                    ": expected a tokenizer in the file, found none; use a GGUF file that was "
                    "converted with its vocabulary");
  }
  throw Error(ErrorKind::kModel, where +
                                     ": expected a tokenizer that is supported (gpt2: byte-level "
                                     "BPE; llama: SentencePiece BPE), found '" +
                                     model + "'");
}

}  // namespace lethe::models
