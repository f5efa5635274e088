// SPDX-License-Identifier: Apache-2.0
#include "models/tokenizer/tokenizer.h"

#include "harness/base/text.h"
#include "models/tokenizer/folder_tokenizer.h"
#include "models/tokenizer/gguf_tokenizer.h"
#include "models/tokenizer/post_processor.h"

namespace lethe::models {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

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

std::string replaced_bytes(std::string bytes) {
  if (!first_invalid_utf8(bytes)) return bytes;
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); ++i) text += kReplacement;
  return text;
}

std::string printable_utf8(std::string_view bytes) {
  std::string text;
  while (!bytes.empty()) {
    const Sequence sequence = first_sequence(bytes);
    text += sequence.whole ? bytes.substr(0, sequence.length) : kReplacement;
    bytes.remove_prefix(sequence.length);
  }
  return text;
}

std::string Tokenizer::decode_text(const std::vector<std::int64_t>& ids, bool skip_special) const {
  return printable_utf8(decode(ids, skip_special));
}

Encoding Tokenizer::encode_with_special(std::string_view text,
                                        std::optional<std::string_view> second,
                                        bool parse_special) const {
  const auto surroundings = bos_eos_surroundings(adds_bos() ? bos_id() : std::nullopt, {});
  const auto first_ids = encode(text, parse_special);
  if (!second) return lay_out(surroundings, first_ids, nullptr);
  const auto second_ids = encode(*second, parse_special);
  return lay_out(surroundings, first_ids, &second_ids);
}

std::vector<std::int64_t> Tokenizer::eos_ids() const {
  const auto eos = eos_id();
  return eos ? std::vector<std::int64_t>{*eos} : std::vector<std::int64_t>{};
}

std::unique_ptr<Tokenizer> open_tokenizer(const std::filesystem::path& checkpoint) {
  std::error_code ignored;
  return std::filesystem::is_directory(checkpoint, ignored) ? open_folder_tokenizer(checkpoint)
                                                            : open_gguf_tokenizer(checkpoint);
}

}  // namespace lethe::models
