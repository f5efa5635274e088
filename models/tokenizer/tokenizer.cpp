// SPDX-License-Identifier: Apache-2.0
#include "models/tokenizer/tokenizer.h"

#include "harness/base/error.h"
#include "models/tokenizer/gguf_tokenizer.h"

namespace lethe::models {
namespace {

struct Sequence {
  std::size_t length;  ///< bytes of a whole sequence, or of the longest valid beginning of one
  bool whole;
};

// The sequence at the head of `bytes`, after table 3-7 of the Unicode standard.
Sequence first_sequence(std::string_view bytes) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const unsigned char lead = at(0);
  if (lead < 0x80) return {1, true};
  if (lead < 0xc2 || lead > 0xf4) return {1, false};
  const std::size_t expected = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  unsigned char lowest = 0x80;
  unsigned char highest = 0xbf;
  if (lead == 0xe0) lowest = 0xa0;
  if (lead == 0xed) highest = 0x9f;
  if (lead == 0xf0) lowest = 0x90;
  if (lead == 0xf4) highest = 0x8f;
  for (std::size_t i = 1; i < expected; ++i) {
    if (i == bytes.size() || at(i) < lowest || at(i) > highest) return {i, false};
    lowest = 0x80;
    highest = 0xbf;
  }
  return {expected, true};
}

}  // namespace

std::string printable_utf8(std::string_view bytes) {
  constexpr std::string_view kReplacement = "\xef\xbf\xbd";
  std::string text;
  while (!bytes.empty()) {
    const Sequence sequence = first_sequence(bytes);
    text += sequence.whole ? bytes.substr(0, sequence.length) : kReplacement;
    bytes.remove_prefix(sequence.length);
  }
  return text;
}

std::unique_ptr<Tokenizer> open_tokenizer(const std::filesystem::path& checkpoint) {
  std::error_code ignored;
  if (std::filesystem::is_directory(checkpoint, ignored)) {
    throw Error(ErrorKind::kModel,
                checkpoint.string() +
                    ": expected a GGUF file, which carries its own tokenizer, found a Hugging Face "
                    "folder; its tokenizer.json is not supported in this version");
  }
  return open_gguf_tokenizer(checkpoint);
}

}  // namespace lethe::models
