// SPDX-License-Identifier: Apache-2.0
// When a cache is cut down to its budget: the schedule axis of a cell.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "policies/registry.h"

namespace lethe::policies {

/// `exact`: after every token (TOVA App. E; what the perplexity tables of the papers measure).
/// `block:m`: m tokens attend to the cache and to each other, then one cut (NAMM: m = 512).
/// `post-prompt`: the prompt attends densely, one cut after it, then after every token (what TOVA's
/// released cache does to a prompt). `prefill-only`: one cut after the prompt, then the cache grows
/// (kvpress' default). `every:m`: the prompt attends densely, one cut after it, then one after
/// every m further tokens (decoding in steps of m). Positions are counted from 0 at the beginning
/// of the text.
struct Schedule {
  enum class Kind { kExact, kBlock, kPostPrompt, kPrefillOnly, kEvery };
  Kind kind = Kind::kExact;
  std::int64_t block = 1;   ///< m of kBlock and kEvery
  std::int64_t prompt = 0;  ///< tokens of the prompt; 0 where the text has none

  /// Parses "exact", "block:512", "post-prompt", "prefill-only", "every:8" ("block:1" is "exact",
  /// "every:1" is "post-prompt"). The prompt
  /// is not part of the text. Throws Error(kConfig) with a suggestion.
  static Schedule parse(std::string_view text);
  std::string text() const;

  bool needs_prompt() const { return kind != Kind::kExact && kind != Kind::kBlock; }
  /// Position of the first token at or after `step` that is followed by a cut; the largest integer
  /// when none is.
  std::int64_t next_cut(std::int64_t step) const;
  /// Most tokens that are live at once after any token of a text of `tokens`, before its cut.
  std::int64_t most_live(std::int64_t budget, std::int64_t tokens) const;
};

/// Throws Error(kConfig) when `policy` cannot be asked at the cuts of `schedule`, and when the
/// schedule needs a prompt and has none.
void check_schedule(const PolicyPlan& policy, const Schedule& schedule);

/// Throws Error(kConfig) when `policy` looks at the whole text and one of `length` tokens is more
/// than it can look at: it forms dense attention over all pairs of tokens, in every layer.
void check_whole_text(const PolicyPlan& policy, std::int64_t length);

/// What can be said of a cell before it is run: check_budget(), check_schedule(),
/// check_whole_text(), and that a budget below a text of `length` tokens will make something leave.
/// Throws Error(kConfig).
void check_setting(const PolicyPlan& policy, std::optional<std::int64_t> budget,
                   const Schedule& schedule, std::int64_t length);

/// Tokens that a layer holds at once under a policy that keeps to its budget, or keeps everything
/// (no budget); nothing where the policy alone decides.
std::optional<std::int64_t> most_live(const PolicyPlan& policy, std::optional<std::int64_t> budget,
                                      const Schedule& schedule, std::int64_t length);

}  // namespace lethe::policies
