// SPDX-License-Identifier: Apache-2.0
#include "models/tokenizer/added_tokens.h"

#include "harness/base/unicode.h"

namespace lethe::models {
namespace {

bool ends_with_word(std::string_view text, std::size_t end) {
  return end > 0 && is_word(code_point_at(text, last_code_point(text.substr(0, end))).value);
}

bool starts_with_word(std::string_view text, std::size_t at) {
  return at < text.size() && is_word(code_point_at(text, at).value);
}

}  // namespace

void AddedTokens::add(AddedToken token, std::string_view text) {
  texts_.add(text, static_cast<std::int32_t>(tokens_.size()));
  tokens_.push_back(std::move(token));
}

void AddedTokens::split(
    std::string_view text, bool parse_special,
    const std::function<void(std::string_view, const AddedToken*)>& part) const {
  std::size_t done = 0;
  std::size_t search = 0;
  while (const auto match = texts_.find(text, search)) {
    const AddedToken& token = tokens_[static_cast<std::size_t>(match->token)];
    std::size_t begin = match->begin;
    std::size_t end = begin + match->length;
    // A match that does not count still hides the ones inside it.
    search = end;
    if (token.special && !parse_special) continue;
    if (token.single_word && (ends_with_word(text, begin) || starts_with_word(text, end))) continue;
    if (token.lstrip) {
      while (begin > done) {
        const std::size_t before = last_code_point(text.substr(0, begin));
        if (before < done || !is_space(code_point_at(text, before).value)) break;
        begin = before;
      }
    }
    if (token.rstrip) {
      while (end < text.size()) {
        const CodePoint next = code_point_at(text, end);
        if (!is_space(next.value)) break;
        end += next.length;
      }
    }
    if (done < begin) part(text.substr(done, begin - done), nullptr);
    part(text.substr(begin, end - begin), &token);
    done = end;
    search = std::max(search, end);
  }
  if (done < text.size()) part(text.substr(done), nullptr);
}

}  // namespace lethe::models
