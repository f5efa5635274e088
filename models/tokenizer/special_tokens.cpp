// SPDX-License-Identifier: Apache-2.0
#include "models/tokenizer/special_tokens.h"

#include <algorithm>

namespace lethe::models {

void SpecialTokens::add(std::string_view text, std::int32_t token) {
  if (text.empty()) return;
  auto& entries = by_first_byte_[static_cast<unsigned char>(text[0])];
  const auto shorter = std::ranges::find_if(
      entries, [&](const Entry& entry) { return entry.text.size() < text.size(); });
  entries.insert(shorter, {std::string(text), token});
}

std::optional<SpecialTokens::Match> SpecialTokens::find(std::string_view text,
                                                        std::size_t from) const {
  for (std::size_t at = from; at < text.size(); ++at) {
    for (const Entry& entry : by_first_byte_[static_cast<unsigned char>(text[at])]) {
      if (text.substr(at).starts_with(entry.text)) {
        return Match{at, entry.text.size(), entry.token};
      }
    }
  }
  return {};
}

}  // namespace lethe::models
