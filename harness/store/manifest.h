// SPDX-License-Identifier: Apache-2.0
// The manifest: one hash over what a database says was measured, which others can work out again.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "harness/store/run_store.h"

namespace lethe::store {

struct Manifest {
  /// Canonical JSON {"cells": [{"inputs", "key", "results", "samples"} by key], "format"}.
  /// `inputs` is the text that `key` is the SHA-256 of; `results` is the SHA-256 over one line
  /// "KEY NLL SCORE OUTPUT TRACE\n" per sample, by sample key: the bits of nll_sum and score as 16
  /// hex digits, the SHA-256 of the output text and of the trace's float32 values (little-endian),
  /// "-" where there is none. docs/user-guide.md has it in Python.
  std::string text;
  std::string sha256;  ///< of `text`
  std::int64_t cells = 0;
  std::int64_t samples = 0;
};

/// The manifest of a database, or of one suite's cells. Depends neither on the order of rows nor on
/// times, places and programs. Throws Error(kStore) as RunStore does, and for a damaged trace.
Manifest make_manifest(const RunStore& store, const std::optional<std::string>& suite);

}  // namespace lethe::store
