// SPDX-License-Identifier: Apache-2.0
#include "models/tokenizer/gguf_tokenizer.h"

#include "harness/base/error.h"
#include "models/checkpoint/gguf.h"
#include "models/tokenizer/bpe_tokenizer.h"

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

}  // namespace

std::unique_ptr<Tokenizer> open_gguf_tokenizer(const std::filesystem::path& path) {
  const GgufFile file(path);
  const std::string where = path.string();
  const std::string model = file.find_string("tokenizer.ggml.model").value_or("no_vocab");
  if (model == "no_vocab") {
    throw Error(ErrorKind::kModel,
                where +
                    ": expected a tokenizer in the file, found none; use a GGUF file that was "
                    "converted with its vocabulary");
  }
  if (model != "gpt2") {
    throw Error(ErrorKind::kModel, where +
                                       ": expected a tokenizer that is supported (gpt2: "
                                       "byte-level BPE), found '" +
                                       model + "'");
  }
  BpeDescription description;
  description.tokens = file.strings("tokenizer.ggml.tokens");
  description.kinds = kinds_of(file, description.tokens.size());
  description.merges = file.strings("tokenizer.ggml.merges");
  description.pre_tokenizer = file.string("tokenizer.ggml.pre");
  description.bos_id = file.find_integer("tokenizer.ggml.bos_token_id");
  description.eos_id = file.find_integer("tokenizer.ggml.eos_token_id");
  description.adds_bos = file.find_boolean("tokenizer.ggml.add_bos_token").value_or(false);
  return make_bpe_tokenizer(description, where);
}

}  // namespace lethe::models
