// SPDX-License-Identifier: Apache-2.0
#include "policies/schedule.h"

#include <algorithm>
#include <array>
#include <limits>

#include "harness/base/names.h"

namespace lethe::policies {
namespace {

constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kLargestBlock = 1 << 20;
constexpr std::int64_t kLongestWholeText = 32768;

/// m of "block:m"; nothing where the text is of another kind.
std::optional<std::int64_t> size_after(std::string_view name, std::string_view text) {
  if (!text.starts_with(name)) return std::nullopt;
  const auto size = parse_integer(text.substr(name.size()));
  if (size && *size >= 1 && *size <= kLargestBlock) return size;
  throw Error(ErrorKind::kConfig, "schedule '" + std::string(text) + "': expected " +
                                      std::string(name) + "m with m from 1 to " +
                                      std::to_string(kLargestBlock) + ", as in " +
                                      std::string(name) + "512");
}

}  // namespace

Schedule Schedule::parse(std::string_view text) {
  Schedule schedule;
  if (text == "exact") return schedule;
  if (text == "post-prompt") {
    schedule.kind = Kind::kPostPrompt;
    return schedule;
  }
  if (text == "prefill-only") {
    schedule.kind = Kind::kPrefillOnly;
    return schedule;
  }
  if (const auto size = size_after("block:", text)) {
    if (*size == 1) return schedule;
    schedule.kind = Kind::kBlock;
    schedule.block = *size;
    return schedule;
  }
  if (const auto size = size_after("every:", text)) {
    schedule.kind = *size == 1 ? Kind::kPostPrompt : Kind::kEvery;
    schedule.block = *size;
    return schedule;
  }
  const std::array<std::string, 5> known{"exact", "block:m", "post-prompt", "prefill-only",
                                         "every:m"};
  throw unknown_name(ErrorKind::kConfig, "schedule", text, known);
}

std::string Schedule::text() const {
  switch (kind) {
    case Kind::kExact:
      return "exact";
    case Kind::kBlock:
      return "block:" + std::to_string(block);
    case Kind::kPostPrompt:
      return "post-prompt";
    case Kind::kPrefillOnly:
      return "prefill-only";
    case Kind::kEvery:
      return "every:" + std::to_string(block);
  }
  throw Error(ErrorKind::kInternal, "unknown schedule");
}

std::int64_t Schedule::next_cut(std::int64_t step) const {
  switch (kind) {
    case Kind::kExact:
      return step;
    case Kind::kBlock:
      return (step / block + 1) * block - 1;
    case Kind::kPostPrompt:
      return std::max(step, prompt - 1);
    case Kind::kPrefillOnly:
      return step < prompt ? prompt - 1 : kNever;
    case Kind::kEvery:
      return step < prompt ? prompt - 1 : prompt - 1 + ((step - prompt) / block + 1) * block;
  }
  throw Error(ErrorKind::kInternal, "unknown schedule");
}

std::int64_t Schedule::most_live(std::int64_t budget, std::int64_t tokens) const {
  const std::int64_t kept = std::min(budget, tokens);
  switch (kind) {
    case Kind::kExact:
      return std::min(kept + 1, tokens);
    case Kind::kEvery:
    case Kind::kBlock: {
      // Until the first cut that takes something, everything is live; from then on what was kept
      // and a block, or the part of one that the text ends with.
      const std::int64_t dense = kind == Kind::kEvery ? prompt : 0;
      const std::int64_t first =
          dense > kept ? dense : dense + ((kept - dense) / block + 1) * block;
      return tokens <= first ? tokens : std::max(first, kept + std::min(block, tokens - first));
    }
    case Kind::kPostPrompt:
      return std::min(std::max(prompt, kept + 1), tokens);
    case Kind::kPrefillOnly: {
      const std::int64_t after_cut = std::min(kept, prompt);
      return std::min(std::max(prompt, after_cut + tokens - prompt), tokens);
    }
  }
  throw Error(ErrorKind::kInternal, "unknown schedule");
}

void check_schedule(const PolicyPlan& policy, const Schedule& schedule) {
  const auto refuse = [&](const std::string& why) {
    throw Error(ErrorKind::kConfig, "policy '" + policy.text + "' cannot run under schedule '" +
                                        schedule.text() + "': " + why);
  };
  const PolicyTraits& traits = policy.traits;
  if (schedule.needs_prompt() && schedule.prompt < 1) {
    throw Error(ErrorKind::kConfig,
                "schedule '" + schedule.text() +
                    "' cuts after the prompt, and the text has none; give the task "
                    "\"prompt\": TOKENS (--prompt TOKENS), or use exact or block:m");
  }
  if (traits.exact_only && schedule.kind != Schedule::Kind::kExact) {
    refuse("it is defined after every token only; use exact");
  }
  if (traits.update_interval > 1 &&
      (schedule.kind != Schedule::Kind::kBlock || schedule.block != traits.update_interval)) {
    refuse("it is updated every " + std::to_string(traits.update_interval) +
           " tokens; use block:" + std::to_string(traits.update_interval));
  }
  if (traits.last_rows <= 1) return;
  // All of the rows it looks at must lie between two cuts.
  const std::string rows = std::to_string(traits.last_rows);
  const std::string looks = "it looks at the last " + rows + " tokens before a cut; ";
  switch (schedule.kind) {
    case Schedule::Kind::kExact:
    case Schedule::Kind::kPostPrompt:
      refuse(looks + "use prefill-only, or block:m with m of at least " + rows);
      break;
    case Schedule::Kind::kBlock:
      if (schedule.block < traits.last_rows) refuse(looks + "m must be at least " + rows);
      break;
    case Schedule::Kind::kPrefillOnly:
    case Schedule::Kind::kEvery:
      if (schedule.prompt < traits.last_rows) {
        refuse(looks + "the prompt has " + std::to_string(schedule.prompt));
      }
      if (schedule.kind == Schedule::Kind::kEvery && schedule.block < traits.last_rows) {
        refuse(looks + "m must be at least " + rows);
      }
      break;
  }
}

void check_whole_text(const PolicyPlan& policy, std::int64_t length) {
  if (!policy.traits.reads_whole_text || length <= kLongestWholeText) return;
  throw Error(ErrorKind::kConfig, "policy '" + policy.text +
                                      "' looks at the whole text: " + std::to_string(length) +
                                      " tokens are more than " + std::to_string(kLongestWholeText));
}

void check_setting(const PolicyPlan& policy, std::optional<std::int64_t> budget,
                   const Schedule& schedule, std::int64_t length) {
  check_budget(policy, budget);
  check_schedule(policy, schedule);
  check_whole_text(policy, length);
  // Where layers have budgets of their own, some drop something at an average that drops nothing.
  if (!budget || *budget + 1 >= length || !policy.traits.fixed_size || policy.layer_budget) return;
  std::int64_t cut = schedule.next_cut(0);
  while (cut < length && cut + 1 <= *budget) cut = schedule.next_cut(cut + 1);
  if (cut < length) return;
  throw Error(ErrorKind::kConfig,
              "budget " + std::to_string(*budget) + " under schedule '" + schedule.text() +
                  "' would drop nothing of " + std::to_string(length) + " tokens" +
                  (schedule.needs_prompt() ? " after a prompt of " + std::to_string(schedule.prompt)
                                           : std::string()) +
                  "; leave the cell out (\"exclude\"), or give it a smaller budget");
}

std::optional<std::int64_t> most_live(const PolicyPlan& policy, std::optional<std::int64_t> budget,
                                      const Schedule& schedule, std::int64_t length) {
  if (!policy.traits.fixed_size) return std::nullopt;
  return budget ? schedule.most_live(*budget, length) : length;
}

}  // namespace lethe::policies
