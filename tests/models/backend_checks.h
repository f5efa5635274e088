// SPDX-License-Identifier: Apache-2.0
// The tensor backend against the host's own kernels, wherever its tensors live.
#pragma once

#include <cstdint>

#include "models/engine/evaluate.h"
#include "tests/models/engine_support.h"

namespace lethe::test {

/// Victims, kept sets, NLL and figures of every policy in float64, scan and step, on `rounds`
/// random texts, shapes (GQA, sliding window, biases), budgets, schedules, blocks and chunks each.
void check_policies(const models::LoadOptions& where, int rounds);
/// Golden victims of SmolLM2 in float32 over `tokens` tokens, near ties excused.
void check_goldens(const models::LoadOptions& where, std::int64_t tokens);
/// The fused attention of a dense forward, and logits, in float64.
void check_dense(const models::LoadOptions& where);
/// A prefix of another cell changes no victim.
void check_prefixes(const models::LoadOptions& where);
/// An evaluation that was stopped goes on, and not from a state of the host's kernels.
void check_resume(const models::LoadOptions& where);
/// Scores far apart, and a policy that drops the largest: rows whose weights must be formed again.
void check_peaked_scores(const models::LoadOptions& where);
/// bfloat16 stays near float32.
void check_bfloat16(const models::LoadOptions& where);

}  // namespace lethe::test
