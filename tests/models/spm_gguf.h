// SPDX-License-Identifier: Apache-2.0
// Golden SentencePiece vocabularies as GGUF files store them.
#pragma once

#include <string>
#include <vector>

#include "harness/base/json.h"
#include "tests/models/gguf_writer.h"
#include "tests/models/tokenizer_support.h"

namespace lethe::test {

/// A file of the kind "llama": pieces as [text, score, kind], or without the kind those of spm512
/// (unknown, BOS, EOS, bytes, then ordinary ones). BOS is 1, EOS is 2.
inline GgufWriter spm_gguf(const json::array& pieces, bool adds_space) {
  std::vector<std::string> texts;
  std::vector<float> scores;
  std::vector<std::int32_t> kinds;
  for (const json::value& item : pieces) {
    const json::array& piece = item.as_array();
    texts.push_back(text_of(piece[0]));
    scores.push_back(piece[1].to_number<float>());
    const bool byte = texts.back().starts_with("<0x") && texts.back().size() == 6;
    const std::int32_t kind = byte ? 6 : texts.size() == 1 ? 2 : texts.size() <= 3 ? 3 : 1;
    kinds.push_back(piece.size() > 2 ? piece[2].to_number<std::int32_t>() : kind);
  }
  GgufWriter writer;
  writer.text("general.architecture", "llama")
      .text("tokenizer.ggml.model", "llama")
      .texts("tokenizer.ggml.tokens", texts)
      .float32s("tokenizer.ggml.scores", scores)
      .int32s("tokenizer.ggml.token_type", kinds)
      .boolean("tokenizer.ggml.add_space_prefix", adds_space)
      .uint32("tokenizer.ggml.bos_token_id", 1)
      .uint32("tokenizer.ggml.eos_token_id", 2);
  return writer;
}

/// The vocabulary of spm512.model.
inline GgufWriter spm512_gguf() {
  const json::value meta = read_json_file(golden("tokenizer/spm512_meta.json"), ErrorKind::kData);
  return spm_gguf(meta.at("pieces").as_array(), true);
}

}  // namespace lethe::test
