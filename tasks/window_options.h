// SPDX-License-Identifier: Apache-2.0
// Which windows of a stream of tokens a task takes: the options that such tasks share.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "harness/base/json.h"

namespace lethe::tasks {

/// Where a begin-of-sequence token stands. The papers leave it open, so it is an option.
enum class BosRule {
  kAuto,    ///< at the head of the stream when the tokenizer asks for one, never inside
  kNever,   ///< nowhere
  kWindow,  ///< in front of every window, as its first token
};
std::string to_string(BosRule rule);

/// Windows of one length over a stream.
struct WindowOptions {
  std::optional<std::int64_t> windows;  ///< per stream, from `start` on; none: all that fit
  std::optional<std::int64_t> stride;   ///< tokens from window to window; none: no overlap, no gap
  std::int64_t start = 0;               ///< token offset of the first window in the stream
  BosRule bos = BosRule::kAuto;
  /// The first tokens of a window that are only read: the rest is scored, and the schedules
  /// post-prompt and prefill-only cut after them. None: the whole window is scored.
  std::optional<std::int64_t> prompt;

  /// Reads {"windows": 1 | "all", "stride": 2048, "start": 0, "bos": "auto" | "never" | "window",
  /// "tail": "drop", "prompt": 1024}; every member may be missing. Throws Error(kConfig) that names
  /// the member.
  static WindowOptions read(ObjectReader& reader);

  /// Tokens of the stream in a window of `length`: all but a BOS of its own.
  std::int64_t text_tokens(std::int64_t length) const;
  std::int64_t stride_at(std::int64_t length) const { return stride.value_or(text_tokens(length)); }
  /// How many windows fit into a stream of so many tokens.
  std::int64_t fitting(std::int64_t stream_tokens, std::int64_t length) const;
};

/// Throws Error(kConfig) that begins with `where` when `value` is below `low`.
std::int64_t at_least(std::int64_t value, std::int64_t low, const std::string& where);

/// Reads the member "books": ids in the order given; "all" and no such member give an empty list.
/// Throws Error(kConfig).
std::vector<std::string> read_books(ObjectReader& reader);

/// A relative path that is not in the current folder is looked for in `root`.
std::filesystem::path look_for(const std::filesystem::path& path,
                               const std::filesystem::path& root);

}  // namespace lethe::tasks
