// SPDX-License-Identifier: Apache-2.0
#include "models/tokenizer/bpe_merges.h"

namespace lethe::models {
namespace {

std::uint64_t pack(std::int32_t left, std::int32_t right) {
  return (std::uint64_t{static_cast<std::uint32_t>(left)} << 32) |
         static_cast<std::uint32_t>(right);
}

}  // namespace

std::size_t BpeMerges::PairHash::operator()(std::uint64_t pair) const {
  // Fibonacci hashing: the identity would put pairs that share a right token into one bucket.
  pair *= 0x9e3779b97f4a7c15U;
  return pair ^ (pair >> 32);
}

void BpeMerges::add(std::int32_t left, std::int32_t right, Merge merge) {
  merges_.try_emplace(pack(left, right), merge);
}

const BpeMerges::Merge* BpeMerges::find(std::int32_t left, std::int32_t right) const {
  const auto found = merges_.find(pack(left, right));
  return found == merges_.end() ? nullptr : &found->second;
}

void MergeBoundaries::add(std::string_view left, std::string_view right) {
  const std::size_t last = last_code_point(left);
  pairs_.insert(pack(code_point_at(left, last).value, code_point_at(right, 0).value));
}

bool MergeBoundaries::may_join(std::int32_t before, std::int32_t after) const {
  return pairs_.contains(pack(before, after));
}

void BpeMerger::propose(std::int32_t at) {
  if (at < 0) return;
  const Symbol& symbol = symbols_[static_cast<std::size_t>(at)];
  if (symbol.next < 0) return;
  const std::int32_t right = symbols_[static_cast<std::size_t>(symbol.next)].token;
  if (const auto* merge = merges_.find(symbol.token, right)) {
    queue_.push({merge->rank, at, symbol.token, right, merge->token});
  }
}

void BpeMerger::merge(std::vector<std::int32_t>& tokens) {
  constexpr std::int32_t kGone = -1;
  symbols_.clear();
  const auto count = static_cast<std::int32_t>(tokens.size());
  for (std::int32_t i = 0; i < count; ++i) {
    symbols_.push_back({tokens[static_cast<std::size_t>(i)], i - 1, i + 1 < count ? i + 1 : -1});
  }
  for (std::int32_t i = 0; i < count; ++i) propose(i);
  while (!queue_.empty()) {
    const Candidate best = queue_.top();
    queue_.pop();
    Symbol& left = symbols_[static_cast<std::size_t>(best.at)];
    if (left.token != best.left || left.next < 0) continue;
    Symbol& right = symbols_[static_cast<std::size_t>(left.next)];
    if (right.token != best.right) continue;
    left.token = best.token;
    right.token = kGone;
    left.next = right.next;
    if (left.next >= 0) symbols_[static_cast<std::size_t>(left.next)].previous = best.at;
    propose(left.previous);
    propose(best.at);
  }
  tokens.clear();
  for (const Symbol& symbol : symbols_) {
    if (symbol.token != kGone) tokens.push_back(symbol.token);
  }
}

}  // namespace lethe::models
