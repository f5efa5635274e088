// SPDX-License-Identifier: Apache-2.0
#include "tasks/memory/background.h"

#include <algorithm>

#include "tasks/datasets/sentences.h"

namespace lethe::tasks {

SentenceTokens::SentenceTokens(const models::Tokenizer& tokenizer) : tokenizer_(tokenizer) {
  auto ids = tokenizer.encode("a.", false);
  const auto more = tokenizer.encode("b", false);
  ids.insert(ids.end(), more.begin(), more.end());
  needs_blank_ = tokenizer.decode(ids, false).find("a.b") != std::string::npos;
}

std::vector<std::int64_t> SentenceTokens::opening(std::string_view sentence) const {
  return tokenizer_.encode(sentence, false);
}

std::vector<std::int64_t> SentenceTokens::following(std::string_view sentence) const {
  return needs_blank_ ? tokenizer_.encode(" " + std::string(sentence), false) : opening(sentence);
}

std::vector<std::int64_t> SentenceTokens::as_opening(const std::vector<std::int64_t>& ids) const {
  if (!needs_blank_) return ids;
  const std::string text = tokenizer_.decode(ids, false);
  return opening(std::string_view(text).substr(text.starts_with(' ') ? 1 : 0));
}

void Background::add(std::string_view text, const SentenceTokens& tokens) {
  for (const std::string_view sentence : split_sentences(text)) {
    const auto ids = tokens.following(sentence);
    if (static_cast<std::int64_t>(ids.size()) < kFewestTokens) continue;
    ids_.insert(ids_.end(), ids.begin(), ids.end());
    begins_.push_back(static_cast<std::int64_t>(ids_.size()));
  }
}

std::vector<std::int64_t> Background::sentence(std::int64_t index) const {
  const auto at = begins_.begin() + index;
  return {ids_.begin() + at[0], ids_.begin() + at[1]};
}

std::int64_t Background::tokens_of(std::int64_t first, std::int64_t count) const {
  const std::int64_t end = first % sentences() + count;
  return end / sentences() * tokens() + begins_[static_cast<std::size_t>(end % sentences())] -
         begins_[static_cast<std::size_t>(first % sentences())];
}

std::int64_t Background::sentences_for(std::int64_t first, std::int64_t tokens) const {
  // From the beginning of the pool, so that whole rounds can be taken off.
  const std::int64_t before = begins_[static_cast<std::size_t>(first % sentences())];
  const std::int64_t rounds = (before + tokens) / this->tokens();
  const std::int64_t rest = (before + tokens) % this->tokens();
  const auto behind = std::ranges::lower_bound(begins_, rest) - begins_.begin();
  return rounds * sentences() + behind - first % sentences();
}

void Background::copy(std::int64_t first, std::int64_t offset, std::span<std::int64_t> out) const {
  auto at = (begins_[static_cast<std::size_t>(first % sentences())] + offset) % tokens();
  while (!out.empty()) {
    const auto count = std::min<std::size_t>(out.size(), static_cast<std::size_t>(tokens() - at));
    std::copy_n(ids_.begin() + at, count, out.begin());
    out = out.subspan(count);
    at = 0;
  }
}

}  // namespace lethe::tasks
