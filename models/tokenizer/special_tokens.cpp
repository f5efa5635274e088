// SPDX-License-Identifier: Apache-2.0
#include "models/tokenizer/special_tokens.h"

namespace lethe::models {

std::optional<SpecialTokens::Match> SpecialTokens::find(std::string_view text,
                                                        std::size_t from) const {
  for (std::size_t at = from; at < text.size(); ++at) {
    std::optional<Match> longest;
    texts_.prefixes(text, at, [&](std::size_t length, std::int32_t token) {
      longest = {at, length, token};
    });
    if (longest) return longest;
  }
  return {};
}

}  // namespace lethe::models
