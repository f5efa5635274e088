// SPDX-License-Identifier: Apache-2.0
// What evaluations of one text under several policies and budgets have in common.
#pragma once

#include <cstdint>
#include <memory>

namespace lethe::models {

struct SharedPrefix;

/// Until its cache is full, every policy sees what the full model sees: a cell of budget k need not
/// compute its first k tokens again. Holds the projections of texts' first chunks, up to
/// `most_bytes`; what does not fit is simply not shared. The numbers are the same bits with and
/// without it (a test proves it). Belongs to one worker; not thread-safe.
class PrefixCache {
 public:
  explicit PrefixCache(std::int64_t most_bytes);
  ~PrefixCache();
  PrefixCache(const PrefixCache&) = delete;
  PrefixCache& operator=(const PrefixCache&) = delete;

  /// Forgets everything: another model, task or length begins.
  void clear();
  /// Tokens that evaluations did not have to compute so far.
  std::int64_t tokens_shared() const;

  // For the engine.
  struct State;
  State& state() { return *state_; }

 private:
  std::unique_ptr<State> state_;
};

}  // namespace lethe::models
